// Package disk keeps operations in a folder of this node. Each operation is a
// folder named by its ID:
//
//	plan.json.zst  the plan, never changed
//	changelog      a line for each entry: CRC-32C of the JSON, and the JSON
//	lock           locked (flock) by the process that writes the changelog
//
// The folder of an operation appears when it is complete. An entry is written
// and synced before it counts; one that was being written when power was lost
// has a wrong checksum at the end of the file and is dropped.
package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
)

const (
	planName      = "plan.json.zst"
	changelogName = "changelog"
	lockName      = "lock"
	createLock    = ".create.lock"
	exclusiveLock = ".exclusive.lock"
	partialPrefix = ".partial-"
)

// lockInterval is how often it is tried to create an operation while another
// one is created, which takes milliseconds.
const lockInterval = 10 * time.Millisecond

// Store is an operation.Store in a folder.
type Store struct {
	dir string
	// wrap is put between the store and the files that it writes, by tests.
	wrap func(file) file
}

// file is what is needed of an *os.File.
type file interface {
	Write(data []byte) (int, error)
	Sync() error
	Close() error
}

var _ operation.Store = (*Store)(nil)

// New returns the store in a folder, which is made when it is needed.
func New(dir string) *Store {
	return &Store{dir: dir, wrap: func(f file) file { return f }}
}

// Create stores the plan of a new operation.
func (s *Store) Create(ctx context.Context, plan *operation.Plan) error {
	if err := plan.Validate(); err != nil {
		return err
	}
	data, err := encodePlan(plan)
	if err != nil {
		return err
	}
	if err := s.makeDir(); err != nil {
		return err
	}
	lock := flock.New(filepath.Join(s.dir, createLock), flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, lockInterval); err != nil {
		return fmt.Errorf("lock %s: %w", s.dir, err)
	}
	defer lock.Close()
	if err := s.removePartial(); err != nil {
		return err
	}
	return s.create(plan.OperationID, data)
}

// Exclusive keeps other processes that ask for it from going on until it is
// closed or this process ends: so that one may look at what there is, and create
// an operation or remove all of them. It waits for others.
func (s *Store) Exclusive(ctx context.Context) (io.Closer, error) {
	if err := s.makeDir(); err != nil {
		return nil, err
	}
	lock := flock.New(filepath.Join(s.dir, exclusiveLock), flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, lockInterval); err != nil {
		return nil, errors.Join(fmt.Errorf("wait for another process that begins an operation in %s: %w", s.dir, err), lock.Close())
	}
	return lock, nil
}

// create fills a folder under a temporary name and renames it.
func (s *Store) create(operationID string, plan []byte) error {
	temporary := filepath.Join(s.dir, partialPrefix+operationID)
	defer os.RemoveAll(temporary)
	if err := os.Mkdir(temporary, 0o700); err != nil {
		return err
	}
	if err := s.write(filepath.Join(temporary, planName), plan); err != nil {
		return err
	}
	for _, name := range []string{changelogName, lockName} {
		if err := s.write(filepath.Join(temporary, name), nil); err != nil {
			return err
		}
	}
	if err := syncDir(temporary); err != nil {
		return err
	}
	err := os.Rename(temporary, filepath.Join(s.dir, operationID))
	if errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("operation %s: %w", operationID, operation.ErrExists)
	}
	if err != nil {
		return err
	}
	return syncDir(s.dir)
}

func (s *Store) write(path string, data []byte) error {
	opened, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	f := s.wrap(opened)
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// makeDir makes the store's folder, and what is above it.
func (s *Store) makeDir() error {
	if info, err := os.Stat(s.dir); err == nil && info.IsDir() {
		return nil
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	return syncDir(filepath.Dir(s.dir))
}

// removePartial removes what processes left that died while they created an
// operation. The lock on creation is held.
func (s *Store) removePartial() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), partialPrefix) {
			if err := os.RemoveAll(filepath.Join(s.dir, entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// List returns the IDs of all operations.
func (s *Store) List(context.Context) ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list operations: %w", err)
	}
	var found []string
	for _, entry := range entries {
		if entry.IsDir() && operation.CheckID(entry.Name()) == nil {
			found = append(found, entry.Name())
		}
	}
	return found, nil
}

// Read returns an operation as it is now.
func (s *Store) Read(_ context.Context, operationID string) (*operation.Operation, error) {
	dir, err := s.folder(operationID)
	if err != nil {
		return nil, err
	}
	plan, err := readPlan(filepath.Join(dir, planName))
	if err != nil {
		return nil, err
	}
	if plan.OperationID != operationID {
		return nil, fmt.Errorf("%s: is the plan of operation %q", filepath.Join(dir, planName), plan.OperationID)
	}
	entries, _, err := readChangelog(filepath.Join(dir, changelogName))
	if err != nil {
		return nil, err
	}
	return &operation.Operation{Plan: plan, Entries: operation.Merge(entries, nil)}, nil
}

// folder is where an operation lies.
func (s *Store) folder(operationID string) (string, error) {
	if err := operation.CheckID(operationID); err != nil {
		return "", err
	}
	dir := filepath.Join(s.dir, operationID)
	if _, err := os.Stat(filepath.Join(dir, planName)); errors.Is(err, fs.ErrNotExist) {
		return "", operation.ErrNotFound
	} else if err != nil {
		return "", err
	}
	return dir, nil
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

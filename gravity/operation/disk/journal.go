package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
)

// journal is the changelog of an operation in the hands of this process.
type journal struct {
	id     string
	out    file
	lock   *flock.Flock
	size   int
	broken error
}

// Open takes the changelog of an operation. The kernel gives it back when the
// process ends, however it does.
func (s *Store) Open(ctx context.Context, operationID string) (operation.Journal, error) {
	dir, err := s.folder(operationID)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, lockName)
	lock := flock.New(path, flock.SetPermissions(0o600))
	// Who only asks whether it is executed holds it for an instant.
	waiting, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	locked, err := lock.TryLockContext(waiting, lockInterval)
	switch {
	case ctx.Err() != nil:
		return nil, errors.Join(context.Cause(ctx), lock.Close())
	case err != nil && !errors.Is(err, context.DeadlineExceeded):
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), lock.Close())
	case !locked:
		return nil, errors.Join(lockedBy(path), lock.Close())
	}
	out, size, err := openChangelog(filepath.Join(dir, changelogName))
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	// Only for the message of others.
	_ = os.WriteFile(path, fmt.Appendf(nil, "%d\n", os.Getpid()), 0o600)
	return &journal{id: operationID, out: s.wrap(out), lock: lock, size: size}, nil
}

// openTimeout is how long Open waits for a lock that somebody else has.
const openTimeout = 200 * time.Millisecond

// Executed tells whether a process has the changelog of an operation.
func (s *Store) Executed(_ context.Context, operationID string) (bool, error) {
	dir, err := s.folder(operationID)
	if err != nil {
		return false, err
	}
	path := filepath.Join(dir, lockName)
	lock := flock.New(path, flock.SetFlag(os.O_RDONLY))
	free, err := lock.TryRLock()
	if err != nil {
		err = fmt.Errorf("lock %s: %w", path, err)
	}
	return !free, errors.Join(err, lock.Close())
}

func lockedBy(path string) error {
	if pid, err := os.ReadFile(path); err == nil && len(pid) > 0 {
		return fmt.Errorf("%w (%s)", operation.ErrLocked, strings.TrimSpace(string(pid)))
	}
	return operation.ErrLocked
}

// openChangelog opens a changelog to write to its end, without what a process
// left there that died while it wrote.
func openChangelog(path string) (out *os.File, size int, err error) {
	_, good, err := readChangelog(path)
	if err != nil {
		return nil, 0, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return nil, 0, err
	}
	// What is good may still be in the machine's memory only, if its process
	// died between writing and syncing.
	err = f.Truncate(int64(good))
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, good, nil
}

// Append writes an entry and syncs it. After an error nothing can be appended
// any more: the file may end with half a line.
func (j *journal) Append(_ context.Context, entry operation.Entry) error {
	if j.broken != nil {
		return fmt.Errorf("changelog was not written before: %w", j.broken)
	}
	if entry.OperationID != j.id {
		return fmt.Errorf("entry of operation %q in the changelog of %q", entry.OperationID, j.id)
	}
	line, err := encodeEntry(entry)
	if err != nil {
		return err
	}
	if j.size+len(line) > maxChangelog {
		return fmt.Errorf("changelog of operation %s would have more than %d bytes", j.id, maxChangelog)
	}
	j.size += len(line)
	_, err = j.out.Write(line)
	if err == nil {
		err = j.out.Sync()
	}
	j.broken = err
	return err
}

// Close gives the changelog back.
func (j *journal) Close() error { return errors.Join(j.out.Close(), j.lock.Close()) }

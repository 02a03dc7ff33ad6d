package bundle

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// output is a file that appears under its name only when it is complete. Until
// then it has no name where the file system can do that, so that nothing is
// left of a process that was killed; elsewhere it is called .NAME.partial,
// which the next one takes over.
type output struct {
	*os.File
	path string
	// lock is held on the partial file; nil if the file has no name.
	lock *flock.Flock
}

// partialName is where an output lies that is not complete.
func partialName(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".partial")
}

// createOutput begins an output. The caller calls discard in the end.
func createOutput(path string) (*output, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("create %s: it exists and is no file", path)
	}
	file, err := unnamedFile(filepath.Dir(path))
	if err == nil {
		return &output{File: file, path: path}, nil
	}
	if !errors.Is(err, errors.ErrUnsupported) {
		return nil, fmt.Errorf("create %s: %w", path, err)
	}
	return createPartial(path)
}

// createPartial begins an output that has a name.
func createPartial(path string) (*output, error) {
	partial := partialName(path)
	lock := flock.New(partial, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o644))
	locked, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", path, err)
	}
	if !locked {
		return nil, fmt.Errorf("create %s: somebody else is writing it, as %s", path, partial)
	}
	file, err := os.OpenFile(partial, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		_ = lock.Unlock()
		return nil, fmt.Errorf("create %s: %w", path, err)
	}
	return &output{File: file, path: path, lock: lock}, nil
}

// commit makes the output durable and gives it its name, in place of a file
// that has it.
func (o *output) commit() error {
	err := o.Sync()
	if err == nil {
		err = o.rename()
	}
	if err == nil {
		err = syncFolder(filepath.Dir(o.path))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", o.path, err)
	}
	return o.release()
}

// rename gives the output its name.
func (o *output) rename() error {
	if o.lock == nil {
		return nameUnnamed(o.File, partialName(o.path), o.path)
	}
	return os.Rename(partialName(o.path), o.path)
}

// discard removes the output if it was not committed; after that it does
// nothing.
func (o *output) discard() {
	if o.File == nil {
		return
	}
	if o.lock != nil {
		_ = os.Remove(partialName(o.path))
	}
	_ = o.release()
}

func (o *output) release() error {
	err := o.Close()
	o.File = nil
	if o.lock != nil {
		err = errors.Join(err, o.lock.Unlock())
	}
	return err
}

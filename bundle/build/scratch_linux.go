package build

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// unnamedFile makes a file that nothing is left of when it is closed, however
// the process ends; where the file system cannot do that, a moment is left
// between its making and its removal.
func unnamedFile(folder string) (*os.File, error) {
	fd, err := unix.Open(folder, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	switch {
	case err == nil:
		return os.NewFile(uintptr(fd), folder), nil
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EISDIR), errors.Is(err, unix.EINVAL):
		return removedFile(folder)
	}
	return nil, &os.PathError{Op: "open", Path: folder, Err: err}
}

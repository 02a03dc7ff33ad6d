package bundle

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// unnamedFile makes a file without a name in a folder. The error is
// errors.ErrUnsupported where that, or giving it a name later, is impossible.
func unnamedFile(folder string) (*os.File, error) {
	fd, err := unix.Open(folder, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o644)
	switch {
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EISDIR), errors.Is(err, unix.EINVAL):
		return nil, errors.ErrUnsupported
	case err != nil:
		return nil, &os.PathError{Op: "open", Path: folder, Err: err}
	}
	if _, err := os.Lstat(descriptorPath(uintptr(fd))); err != nil {
		_ = unix.Close(fd)
		return nil, errors.ErrUnsupported
	}
	return os.NewFile(uintptr(fd), folder), nil
}

// nameUnnamed gives a file that has no name one, in place of a file that has
// it, by way of another name, since a link replaces nothing. Others who do that
// wait meanwhile; a file of the other name is left by a process that was killed
// here.
func nameUnnamed(file *os.File, partial, path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer folder.Close() // and unlock
	if err := unix.Flock(int(folder.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", folder.Name(), err)
	}
	if err := os.Remove(partial); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	err = unix.Linkat(unix.AT_FDCWD, descriptorPath(file.Fd()), unix.AT_FDCWD, partial, unix.AT_SYMLINK_FOLLOW)
	if err != nil {
		return &os.LinkError{Op: "link", Old: "unnamed file", New: partial, Err: err}
	}
	return os.Rename(partial, path)
}

func descriptorPath(fd uintptr) string {
	return "/proc/self/fd/" + strconv.Itoa(int(fd))
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}

// startWriteback tells the kernel to begin to write a part of a file to disk, so
// that there is less to wait for in the end. It promises nothing.
func startWriteback(file *os.File, offset, length int64) {
	_ = unix.SyncFileRange(int(file.Fd()), offset, length, unix.SYNC_FILE_RANGE_WRITE)
}

// copyRange copies bytes between files within the kernel, which shares blocks
// where the file system can. The error is errors.ErrUnsupported where it cannot
// be done so; fewer bytes than asked for are no error.
func copyRange(to *os.File, toOffset int64, from *os.File, fromOffset, length int64) (int64, error) {
	n, err := unix.CopyFileRange(int(from.Fd()), &fromOffset, int(to.Fd()), &toOffset, int(length), 0)
	switch {
	case errors.Is(err, unix.EXDEV), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EINVAL),
		errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EPERM):
		return 0, errors.ErrUnsupported
	case errors.Is(err, unix.EINTR):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("copy_file_range: %w", err)
	case n == 0:
		// The end of the source, or a file system that has no idea.
		return 0, errors.ErrUnsupported
	}
	return int64(n), nil
}

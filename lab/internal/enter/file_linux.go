package enter

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// WriteFile writes a file of a running machine through its root directory,
// makes missing parents, and replaces what is there in one step.
func WriteFile(pid int, name string, content io.Reader, mode fs.FileMode) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %s of the machine: %w", name, err)
		}
	}()
	root, err := openRoot(pid)
	if err != nil {
		return err
	}
	defer unix.Close(root)
	parent, err := makeDirectories(root, path.Dir(path.Clean("/"+name)))
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	base := path.Base(name)
	temporary := fmt.Sprintf(".%s.%d.tmp", base, os.Getpid())
	fd, err := unix.Openat(parent, temporary, unix.O_CREAT|unix.O_TRUNC|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, uint32(mode.Perm()))
	if err != nil {
		return err
	}
	file := os.NewFile(uintptr(fd), temporary)
	defer file.Close()
	defer func() {
		if err != nil {
			_ = unix.Unlinkat(parent, temporary, 0)
		}
	}()
	if _, err := io.Copy(file, content); err != nil {
		return err
	}
	// The umask is this process's, not what the caller asked for.
	if err := file.Chmod(mode.Perm()); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return unix.Renameat(parent, temporary, parent, base)
}

// OpenFile opens a file of a running machine for reading.
func OpenFile(pid int, name string) (*os.File, error) {
	root, err := openRoot(pid)
	if err != nil {
		return nil, fmt.Errorf("open %s of the machine: %w", name, err)
	}
	defer unix.Close(root)
	fd, err := openBelow(root, name, unix.O_RDONLY)
	if err != nil {
		return nil, fmt.Errorf("open %s of the machine: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

func openRoot(pid int) (int, error) {
	return unix.Open(filepath.Join("/proc", strconv.Itoa(pid), "root"), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
}

// openBelow resolves a path, symbolic links included, as the machine would.
func openBelow(root int, name string, flags uint64) (int, error) {
	how := &unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	for {
		fd, err := unix.Openat2(root, name, how)
		// EAGAIN: something was renamed during the resolution.
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

func makeDirectories(root int, name string) (int, error) {
	fd, err := openBelow(root, name, unix.O_PATH|unix.O_DIRECTORY)
	if !errors.Is(err, unix.ENOENT) || name == "/" {
		return fd, err
	}
	parent, err := makeDirectories(root, path.Dir(name))
	if err != nil {
		return -1, err
	}
	defer unix.Close(parent)
	if err := unix.Mkdirat(parent, path.Base(name), 0o755); err != nil && !errors.Is(err, unix.EEXIST) {
		return -1, err
	}
	return openBelow(root, name, unix.O_PATH|unix.O_DIRECTORY)
}

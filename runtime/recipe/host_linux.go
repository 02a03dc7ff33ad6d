package recipe

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// endWithParent lets a child process end when this one is killed. Where the
// child becomes root of a user namespace the kernel forgets it again; such a
// child ends by itself when its work is done.
func endWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// syncTree waits until everything below a folder is on disk. One call for the
// file system is quicker than one for each of a root's thousands of files.
func syncTree(folder string) error {
	file, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if err := unix.Syncfs(int(file.Fd())); err != nil {
		return fmt.Errorf("sync the file system of %s: %w", folder, err)
	}
	return nil
}

package container

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// SyncFileSystem writes the file system of a folder to disk.
func SyncFileSystem(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := unix.Syncfs(int(folder.Fd())); err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	return nil
}

// become replaces this process by a program.
func become(path string, args, environment []string) error {
	return syscall.Exec(path, args, environment)
}

package container

import (
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const attributePrefix = "SCHILY.xattr."

// setAttributes gives a file the extended attributes of a tar entry, such as
// capabilities.
func setAttributes(file *os.File, records map[string]string) error {
	for key, value := range records {
		name, ok := strings.CutPrefix(key, attributePrefix)
		if !ok {
			continue
		}
		if err := unix.Fsetxattr(int(file.Fd()), name, []byte(value), 0); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	return nil
}

// syncFileSystem writes the file system of a folder to disk.
func syncFileSystem(path string) error {
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

// unified tells whether the host has cgroup v2 alone.
func unified() bool {
	var stat unix.Statfs_t
	return unix.Statfs("/sys/fs/cgroup", &stat) == nil && stat.Type == unix.CGROUP2_SUPER_MAGIC
}

// become replaces this process by a program.
func become(path string, args, environment []string) error {
	return syscall.Exec(path, args, environment)
}

package container

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFind wants programs to be found as the container sees them.
func TestFind(t *testing.T) {
	root := t.TempDir()
	for _, folder := range []string{"usr/bin", "usr/sbin", "usr/local/bin/folder", "etc"} {
		if err := os.MkdirAll(filepath.Join(root, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, mode := range map[string]os.FileMode{"usr/bin/ls": 0o755, "etc/hosts": 0o644, "usr/sbin/plain": 0o644, "usr/bin/plain": 0o755} {
		if err := os.WriteFile(filepath.Join(root, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"bin": "/usr/bin", "usr/bin/dir": "ls", "usr/bin/loop": "/usr/bin/loop", "usr/bin/out": "../../../../../../bin/sh"} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	folder, err := unix.Open(root, unix.O_PATH, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(folder)
	for name, want := range map[string]error{
		"ls": nil, "/bin/ls": nil, "bin/ls": nil, "dir": nil, "plain": nil,
		"nothing": ErrNoProgram, "/usr/nothing": ErrNoProgram, "loop": ErrNoProgram, "out": ErrNoProgram, "": ErrNotExecutable,
		"/etc/hosts": ErrNotExecutable, "folder": ErrNotExecutable, "/etc": ErrNotExecutable, "/usr/sbin/plain": ErrNotExecutable,
	} {
		if err := find(folder, name); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", name, err, want)
		}
	}
}

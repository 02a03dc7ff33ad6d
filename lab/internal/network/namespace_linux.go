package network

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/thread"
)

// newNamespace makes a network namespace and keeps it by a mount at path.
func newNamespace(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o600)
	if err != nil {
		return fmt.Errorf("make a network namespace: %w", err)
	}
	_ = file.Close()
	return thread.Run(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make a network namespace: %w", err)
		}
		if err := unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("keep a network namespace at %s: %w", path, err)
		}
		return nil
	})
}

// In runs a function whose sockets and settings belong to the network namespace
// at path, as long as it starts no goroutines for them.
func In(path string, f func() error) error {
	return thread.Run(func() error {
		if err := Enter(path); err != nil {
			return err
		}
		return f()
	})
}

// Enter moves the calling thread into the network namespace at path.
func Enter(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("enter a network namespace: %w", err)
	}
	defer file.Close()
	if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter network namespace %s: %w", path, err)
	}
	return nil
}

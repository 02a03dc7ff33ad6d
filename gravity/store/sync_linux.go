package store

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// sync writes everything of the store's file system to disk: cheaper than one
// call for each of many small files.
func (s *Store) sync() error {
	folder, err := os.Open(s.root)
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := unix.Syncfs(int(folder.Fd())); err != nil {
		return fmt.Errorf("sync %s: %w", s.root, err)
	}
	return nil
}

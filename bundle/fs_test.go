package bundle_test

import (
	"bytes"
	"io/fs"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
)

// TestFS compares a bundle as a file system with what tar extracts.
func TestFS(t *testing.T) {
	path := write(t, complete())
	folder := t.TempDir()
	extract(t, path, folder)
	for name, path := range map[string]string{"tar": path, "folder": folder} {
		t.Run(name, func(t *testing.T) {
			tree := open(t, path).FS()
			if err := fstest.TestFS(tree, "README", "gravity", "packages/index.json", "packages/blobs.txt"); err != nil {
				t.Fatal(err)
			}
			err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
				if err != nil || entry.IsDir() {
					return err
				}
				content, err := fs.ReadFile(tree, name)
				if err != nil {
					return err
				}
				if !bytes.Equal(content, readFile(t, filepath.Join(folder, name))) {
					t.Errorf("%s has other contents", name)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	if info, err := fs.Stat(open(t, path).FS(), bundle.NameDatabase); err != nil || info.Mode() != 0o600 {
		t.Errorf("gravity.db: %v, error %v", info, err)
	}
}

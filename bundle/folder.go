package bundle

import (
	"context"
	"fmt"
	"io/fs"
	"os"
)

// folder is a bundle that was extracted. What else lies beside its entries is
// none of its business: the tar itself, for example, and logs.
type folder struct {
	root *os.Root
}

func openFolder(path string) (*folder, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &folder{root: root}, nil
}

func (f *folder) stat(name string) (Entry, bool) {
	info, err := f.root.Lstat(name)
	if err != nil {
		return Entry{}, false
	}
	return Entry{Name: name, Mode: uint32(info.Mode().Perm()), Size: info.Size()}, true
}

// open refuses links, which would lead to what nobody checked.
func (f *folder) open(name string) (*Blob, error) {
	info, err := f.root.Lstat(name)
	if err != nil {
		return nil, fmt.Errorf("entry %s: %w", name, reason(err))
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("entry %s: is no regular file", name)
	}
	file, err := f.root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("entry %s: %w", name, reason(err))
	}
	opened, err := file.Stat()
	if err != nil || !os.SameFile(info, opened) {
		_ = file.Close()
		return nil, fmt.Errorf("entry %s: is being replaced", name)
	}
	return newBlob(file, 0, opened.Size(), true), nil
}

// reason drops the path from an error whose text has the entry.
func reason(err error) error {
	if pathError, ok := err.(*fs.PathError); ok { //nolint:errorlint // only if it is the outermost
		return pathError.Err
	}
	return err
}

// checkAll looks at permissions, of which only what makes a program one
// matters: the umask decided about the rest.
func (f *folder) checkAll(_ context.Context, report func(name string, err error)) error {
	for name, mode := range modes {
		entry, ok := f.stat(name)
		if ok && mode&0o100 != 0 && entry.Mode&0o100 == 0 {
			report(name, fmt.Errorf("cannot be executed: its mode is %04o instead of %04o", entry.Mode, mode))
		}
	}
	return nil
}

func (f *folder) blobs() (map[string]int64, error) {
	entries, err := fs.ReadDir(f.root.FS(), blobFolder)
	if err != nil {
		return nil, fmt.Errorf("entry %s: %w", blobFolder, reason(err))
	}
	found := make(map[string]int64, len(entries))
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			return nil, fmt.Errorf("entry %s: %w", blobName(entry.Name()), reason(err))
		}
		found[entry.Name()] = info.Size()
	}
	return found, nil
}

func (f *folder) close() error { return f.root.Close() }

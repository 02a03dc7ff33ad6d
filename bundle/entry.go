package bundle

import (
	"context"
	"fmt"
	"io"
	"io/fs"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// CopyEntry copies an entry that index.json lists to a file with the entry's
// mode, such as gravity.db for those who open it, or the program for those who
// run it. Like Write, it leaves what was there before unless all went well, and
// what arrives is what index.json says.
func (b *Bundle) CopyEntry(ctx context.Context, name, path string) error {
	if err := b.copyEntry(ctx, name, path); err != nil {
		return fmt.Errorf("copy entry %s of the bundle: %w", name, err)
	}
	return nil
}

func (b *Bundle) copyEntry(ctx context.Context, name, path string) error {
	entry, ok := b.index.Entries[name]
	if !ok {
		return fs.ErrNotExist
	}
	output, err := createOutput(path)
	if err != nil {
		return err
	}
	defer output.discard()
	c := &copier{to: output.File, buffer: make([]byte, bufferSize), wrote: func(int64) {}}
	if err := c.copy(ctx, entrySource{b, name}, entry.Digest, entry.Size, 0); err != nil {
		return err
	}
	if err := output.Chmod(fs.FileMode(entry.Mode)); err != nil {
		return err
	}
	return output.commit()
}

// Entry opens an entry that index.json lists for reading at any place, without
// checks of its contents.
func (b *Bundle) Entry(name string) (*Blob, error) {
	if _, ok := b.index.Entries[name]; !ok {
		return nil, fmt.Errorf("bundle: entry %s: %w", name, fs.ErrNotExist)
	}
	blob, err := b.store.open(name)
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	return blob, nil
}

// entrySource is a source of one entry, whatever digest it is asked for.
type entrySource struct {
	bundle *Bundle
	name   string
}

func (s entrySource) Open(context.Context, v1.Hash) (io.ReadCloser, error) {
	return s.bundle.store.open(s.name)
}

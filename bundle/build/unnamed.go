package build

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// unnamedBlob is a blob in a file without a name, and the source of it.
type unnamedBlob struct {
	*os.File
	Descriptor v1.Descriptor
}

// Open returns the contents of the blob.
func (u *unnamedBlob) Open(_ context.Context, digest v1.Hash) (io.ReadCloser, error) {
	if digest != u.Descriptor.Digest {
		return nil, fmt.Errorf("blob %s: %w", digest, fs.ErrNotExist)
	}
	return &fileBlob{SectionReader: io.NewSectionReader(u.File, 0, u.Descriptor.Size), file: u.File}, nil
}

// fileBlob is what is read of it; closing it leaves the file open.
type fileBlob struct {
	*io.SectionReader
	file *os.File
}

func (f *fileBlob) Close() error { return nil }

// FileRange returns the file, so that its blocks can be shared.
func (f *fileBlob) FileRange() (file *os.File, offset, length int64) { return f.file, 0, f.Size() }

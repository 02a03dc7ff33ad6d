package bundle

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Blob is a part of a bundle for reading at any place: what is read is as it
// lies there, and checked by nobody. It may be used by several goroutines; the
// caller closes it.
type Blob struct {
	*io.SectionReader
	file   *os.File
	offset int64
	owned  bool
}

// FileRange returns the file that the blob lies in, where it begins there and
// how long it is, in bytes: to share its blocks. It returns nil if the bundle
// is not in a file.
func (b *Blob) FileRange() (file *os.File, offset, length int64) {
	return b.file, b.offset, b.Size()
}

// Close releases what the blob holds.
func (b *Blob) Close() error {
	if !b.owned {
		return nil
	}
	return b.file.Close()
}

// newBlob is a part of a file; owned says that closing closes the file.
func newBlob(reader io.ReaderAt, offset, size int64, owned bool) *Blob {
	blob := &Blob{SectionReader: io.NewSectionReader(reader, offset, size), offset: offset, owned: owned}
	blob.file, _ = reader.(*os.File)
	return blob
}

// checked reads a blob from start to end and fails at the end, instead of
// io.EOF, if it is not what its digest says.
type checked struct {
	*Blob
	name   string
	digest v1.Hash
	hasher hash.Hash
	read   int64
}

func newChecked(blob *Blob, name string, digest v1.Hash) *checked {
	return &checked{Blob: blob, name: name, digest: digest, hasher: sha256.New()}
}

// Read reads the next bytes.
func (c *checked) Read(p []byte) (int, error) {
	n, err := c.Blob.Read(p)
	c.hasher.Write(p[:n])
	c.read += int64(n)
	if err == io.EOF { //nolint:errorlint // readers return it as it is
		switch {
		case c.read != c.Size():
			return n, fmt.Errorf("%s: %w", c.name, io.ErrUnexpectedEOF)
		case sumOf(c.hasher) != c.digest:
			return n, fmt.Errorf("%s: %w", c.name, &DamagedError{c.digest, errDigest})
		}
	}
	return n, err
}

// verified hides the methods of a checked blob that would read past the check.
type verified struct{ checked *checked }

func (v verified) Read(p []byte) (int, error) { return v.checked.Read(p) }
func (v verified) Close() error               { return v.checked.Close() }

// FileRange lets Write share blocks; it checks what it copied itself.
func (v verified) FileRange() (*os.File, int64, int64) { return v.checked.FileRange() }

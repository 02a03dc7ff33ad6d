package bundle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// BlobSource has the contents of blobs. A Bundle is one.
type BlobSource interface {
	// Open returns the contents of a blob from its start; the caller closes
	// them. It is called by several goroutines at once, for each blob more than
	// once, and may take its time until ctx is done. An error that is
	// fs.ErrNotExist says that the blob is not there. What is read is checked by
	// the caller. If it is an *os.File, or has a method
	// FileRange() (*os.File, int64, int64), blocks are shared with that file
	// where the file system can. A source that has checked the blob already may
	// say so by a method Vouch() (maphash.Seed, uint64).
	Open(ctx context.Context, digest v1.Hash) (io.ReadCloser, error)
}

// fileRanger is what a blob may have that lies in a part of a file.
type fileRanger interface {
	// FileRange returns the file with the offset and the length of the part, in
	// bytes, or nil.
	FileRange() (file *os.File, offset, length int64)
}

// vouched is what a blob may have whose source has checked it against its digest
// in this process.
type vouched interface {
	// Vouch returns the sum that the contents had then, and its seed. Write
	// compares that with what arrives, which takes a fraction of the time.
	Vouch() (seed maphash.Seed, sum uint64)
}

// Layout is the source of the blobs of an OCI image layout in a folder.
type Layout string

// Open opens the file of a blob.
func (l Layout) Open(_ context.Context, digest v1.Hash) (io.ReadCloser, error) {
	return os.Open(filepath.Join(string(l), "blobs", digest.Algorithm, digest.Hex))
}

// Files is a source of files that lie anywhere, by their digests.
type Files map[v1.Hash]string

// Add computes the digest of a file and adds it. The returned descriptor has
// digest and size.
func (f Files) Add(path string) (v1.Descriptor, error) {
	file, err := os.Open(path)
	if err != nil {
		return v1.Descriptor{}, err
	}
	defer file.Close()
	digest, size, err := v1.SHA256(file)
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("read %s: %w", path, err)
	}
	f[digest] = path
	return v1.Descriptor{Digest: digest, Size: size}, nil
}

// Open opens the file of a digest.
func (f Files) Open(_ context.Context, digest v1.Hash) (io.ReadCloser, error) {
	path, ok := f[digest]
	if !ok {
		return nil, fmt.Errorf("blob %s: %w", digest, fs.ErrNotExist)
	}
	return os.Open(path)
}

// Memory is a source of small blobs.
type Memory map[v1.Hash][]byte

// Add adds a blob. The returned descriptor has digest and size.
func (m Memory) Add(content []byte) v1.Descriptor {
	digest := hashOf(content)
	m[digest] = content
	return v1.Descriptor{Digest: digest, Size: int64(len(content))}
}

// Open returns a blob.
func (m Memory) Open(_ context.Context, digest v1.Hash) (io.ReadCloser, error) {
	content, ok := m[digest]
	if !ok {
		return nil, fmt.Errorf("blob %s: %w", digest, fs.ErrNotExist)
	}
	return io.NopCloser(bytes.NewReader(content)), nil
}

// Sources are asked one after the other.
type Sources []BlobSource

// Open returns the blob of the first source that has it.
func (s Sources) Open(ctx context.Context, digest v1.Hash) (io.ReadCloser, error) {
	for _, source := range s {
		blob, err := source.Open(ctx, digest)
		if !errors.Is(err, fs.ErrNotExist) {
			return blob, err
		}
	}
	return nil, fmt.Errorf("blob %s: %w", digest, fs.ErrNotExist)
}

// Package store is the package store of a cluster: the file system of the
// image registry that every master serves. Whatever a bundle brings is written
// straight into it, so that images are copied once.
//
// The layout is that of the CNCF distribution registry (version 3):
//
//	docker/registry/v2/blobs/sha256/ab/abcdef…/data
//	docker/registry/v2/repositories/NAME/_manifests/revisions/sha256/HEX/link
//	docker/registry/v2/repositories/NAME/_manifests/tags/TAG/current/link
//	docker/registry/v2/repositories/NAME/_manifests/tags/TAG/index/sha256/HEX/link
//	docker/registry/v2/repositories/NAME/_layers/sha256/HEX/link
//
// A blob has its name only when it is complete, checked and on disk; links come
// after what they lead to. So a process that is killed leaves nothing that
// looks complete and is not, and the next one goes on where it ended.
package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
)

// Store is a package store. Its methods may be called by several goroutines
// and processes at once; Import only by one.
type Store struct {
	root string
}

// New returns the store in a folder, which is made when something is written.
func New(root string) *Store { return &Store{root: root} }

// layout is the folder of a store that has everything.
const layout = "docker/registry/v2"

func (s *Store) path(elements ...string) string {
	return filepath.Join(append([]string{s.root, layout}, elements...)...)
}

// blobFile is the path of a blob below a store.
func blobFile(digest v1.Hash) string {
	return filepath.Join(layout, "blobs", digest.Algorithm, digest.Hex[:2], digest.Hex, "data")
}

// BlobFile is where the contents of a blob are, or belong.
func (s *Store) BlobFile(digest v1.Hash) string { return s.blobPath(digest) }

func (s *Store) blobPath(digest v1.Hash) string { return filepath.Join(s.root, blobFile(digest)) }

func (s *Store) repository(name string, elements ...string) string {
	return s.path(append([]string{"repositories", filepath.FromSlash(name)}, elements...)...)
}

// Open opens a blob, so that a store is a bundle.BlobSource. Contents are not
// checked.
func (s *Store) Open(_ context.Context, digest v1.Hash) (io.ReadCloser, error) {
	if err := checkDigest(digest); err != nil {
		return nil, err
	}
	return os.Open(s.blobPath(digest))
}

// Size is the length of a blob in bytes; false if it is not there.
func (s *Store) Size(digest v1.Hash) (int64, bool) {
	if checkDigest(digest) != nil {
		return 0, false
	}
	info, err := os.Stat(s.blobPath(digest))
	if err != nil || !info.Mode().IsRegular() {
		return 0, false
	}
	return info.Size(), true
}

// Stamp changes when a blob's file does; empty if it is not there.
func (s *Store) Stamp(digest v1.Hash) string {
	info, err := os.Stat(s.blobPath(digest))
	if err != nil {
		return ""
	}
	return fmt.Sprint(info.Size(), info.ModTime().UnixNano())
}

// Verify reads a blob and compares it with its digest.
func (s *Store) Verify(ctx context.Context, digest v1.Hash) error {
	blob, err := s.Open(ctx, digest)
	if err != nil {
		return fmt.Errorf("blob %s: %w", digest, err)
	}
	defer blob.Close()
	found, _, err := v1.SHA256(&contextReader{ctx, blob})
	if err != nil {
		return fmt.Errorf("blob %s: %w", digest, err)
	}
	if found != digest {
		return fmt.Errorf("blob %s is damaged: its contents have the digest %s", digest, found)
	}
	return nil
}

// Resolve finds the digest that a reference stands for: its own, or that of its
// tag. The error is fs.ErrNotExist if the store does not have it.
func (s *Store) Resolve(text string) (v1.Hash, error) {
	reference, err := ParseReference(text)
	if err != nil {
		return v1.Hash{}, err
	}
	digest := reference.Digest
	if digest.Hex == "" {
		if digest, err = readLink(s.repository(reference.Repository, "_manifests", "tags", reference.Tag, "current", "link")); err != nil {
			return v1.Hash{}, fmt.Errorf("image %s: %w", text, err)
		}
	}
	if _, err := readLink(s.repository(reference.Repository, "_manifests", "revisions", digest.Algorithm, digest.Hex, "link")); err != nil {
		return v1.Hash{}, fmt.Errorf("image %s: %w", text, err)
	}
	return digest, nil
}

// ReadManifest reads and checks a manifest, an index or a configuration.
func (s *Store) ReadManifest(ctx context.Context, digest v1.Hash) ([]byte, error) {
	blob, err := s.Open(ctx, digest)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", digest, err)
	}
	defer blob.Close()
	content, err := io.ReadAll(io.LimitReader(blob, bundle.MaxManifestSize+1))
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", digest, err)
	}
	if len(content) > bundle.MaxManifestSize {
		return nil, fmt.Errorf("manifest %s: more than %d bytes", digest, bundle.MaxManifestSize)
	}
	if hashOf(content) != digest {
		return nil, fmt.Errorf("manifest %s is damaged", digest)
	}
	return content, nil
}

// Has tells whether the store has all of what a reference names: its manifests,
// configurations and layers, all of them with their sizes. Of an index, the
// manifests that the store has none of do not count, as long as there is one.
func (s *Store) Has(ctx context.Context, text string) (bool, error) {
	digest, err := s.Resolve(text)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	found, err := walk(ctx, s, descriptorOf(digest), func(child v1.Descriptor) bool {
		_, ok := s.Size(child.Digest)
		return ok
	})
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("image %s: %w", text, err)
	}
	for _, item := range found {
		if size, ok := s.Size(item.descriptor.Digest); !ok || item.descriptor.Size != 0 && size != item.descriptor.Size {
			return false, nil
		}
	}
	return true, nil
}

func checkDigest(digest v1.Hash) error {
	if parsed, err := v1.NewHash(digest.String()); err != nil || parsed.Algorithm != "sha256" {
		return fmt.Errorf("%q is not a SHA-256 digest", digest)
	}
	return nil
}

type contextReader struct {
	ctx    context.Context //nolint:containedctx // lives as long as one call
	reader io.Reader
}

func (r *contextReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.reader.Read(p)
}

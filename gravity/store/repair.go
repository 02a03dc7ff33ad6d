package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Peer is where lost blobs come from: the registries of other masters.
type Peer interface {
	// Fetch opens a blob of a repository, and tells its size in bytes. What is
	// read is checked by the caller, who closes it.
	Fetch(ctx context.Context, repository string, digest v1.Hash, manifest bool) (io.ReadCloser, int64, error)
}

// Condition is how a store is.
type Condition struct {
	// Blobs is how many it refers to, Repaired how many of them were.
	Blobs, Repaired int
	// Failed are those that could not be.
	Failed []v1.Hash
	// Complete tells whether all blobs were looked at.
	Complete bool
}

// Repair fetches the blobs again that the store refers to and has not, or whose
// contents are damaged; that is only found by reading those that verify chooses.
// The condition counts also with an error about blobs that could not be repaired.
func (s *Store) Repair(ctx context.Context, from Peer, verify func(v1.Hash) bool) (found Condition, err error) {
	repositories, err := s.repositories()
	if err != nil {
		return found, fmt.Errorf("package store: %w", err)
	}
	seen := make(map[v1.Hash]bool)
	var failed []error
	for _, repository := range repositories {
		for _, kind := range []struct {
			folder   string
			manifest bool
		}{{s.repository(repository, "_layers", "sha256"), false}, {s.repository(repository, "_manifests", "revisions", "sha256"), true}} {
			links, err := os.ReadDir(kind.folder)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return found, err
			}
			for _, link := range links {
				digest := v1.Hash{Algorithm: "sha256", Hex: link.Name()}
				if checkDigest(digest) != nil || seen[digest] {
					continue
				}
				seen[digest] = true
				found.Blobs++
				if s.whole(ctx, digest, verify(digest)) {
					continue
				}
				if err := s.refetch(ctx, from, repository, digest, kind.manifest); err != nil {
					failed = append(failed, err)
					found.Failed = append(found.Failed, digest)
				} else {
					found.Repaired++
				}
				if ctx.Err() != nil {
					return found, context.Cause(ctx)
				}
			}
		}
	}
	found.Complete = true
	return found, errors.Join(failed...)
}

// whole tells whether a blob is there and, if that is asked for, not damaged.
// What cannot be read because the context ends is not.
func (s *Store) whole(ctx context.Context, digest v1.Hash, verify bool) bool {
	if _, ok := s.Size(digest); !ok || !verify {
		return ok
	}
	return s.Verify(ctx, digest) == nil || ctx.Err() != nil
}

// refetch fetches a blob again, from another peer if the first has it damaged, too.
func (s *Store) refetch(ctx context.Context, from Peer, repository string, digest v1.Hash, manifest bool) error {
	for {
		body, size, err := from.Fetch(ctx, repository, digest, manifest)
		if err != nil {
			return fmt.Errorf("repair: %w", err)
		}
		err = s.importBlob(ctx, opened{body}, digest, size, func(int64) {})
		if several, ok := from.(alternatives); ok && damagedBlob(err, digest) {
			if err = several.Reject(digest); err == nil {
				continue
			}
		}
		if err != nil {
			return fmt.Errorf("repair: %w", err)
		}
		return nil
	}
}

// opened is a blob that was opened already, which is done once.
type opened struct{ body io.ReadCloser }

func (o opened) Open(context.Context, v1.Hash) (io.ReadCloser, error) { return o.body, nil }

package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// Source is where images come from: a *bundle.Bundle, or another store. What
// it opens is checked by whoever reads it.
type Source interface {
	bundle.BlobSource
	manifests
}

// Image is a manifest or index to import under a name.
type Image struct {
	// Name is the complete reference, with host and with tag or digest.
	Name string
	// Descriptor is that of the manifest or index.
	Descriptor v1.Descriptor
	// Present restricts an index to the manifests that the source has; nil
	// means all.
	Present []v1.Hash
}

// Options are settings of Import; the zero value is good.
type Options struct {
	// Progress is told about bytes as they are copied, of how many in all. It
	// is called by several goroutines.
	Progress func(n, total int64)
	// Arrived is told about each blob that is complete and on disk, by several
	// goroutines.
	Arrived func()
}

// parallel is how many blobs are copied at a time.
func parallel() int { return min(4, runtime.GOMAXPROCS(0)) }

// Import brings images into the store, with everything below them. What is
// there already is not copied again, so an import that was interrupted is
// continued by calling it again. That there is not enough space is found before
// anything is written. An image's name resolves only once all of it is there.
func (s *Store) Import(ctx context.Context, source Source, images []Image, options Options) error {
	plan, err := s.plan(ctx, source, images)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.path("blobs", "sha256"), 0o755); err != nil {
		return fmt.Errorf("package store: %w", err)
	}
	if err := bundle.CheckSpace(s.root, "the package store", plan.bytes); err != nil {
		return err
	}
	progress := func(int64) {}
	if options.Progress != nil {
		progress = func(n int64) { options.Progress(n, plan.bytes) }
	}
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(parallel())
	for digest, size := range plan.missing {
		if working.Err() != nil {
			break
		}
		group.Go(func() error {
			err := s.importBlob(working, source, digest, size, progress)
			if err == nil && options.Arrived != nil {
				options.Arrived()
			}
			return explain(source, err)
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("package store %s: %w", s.root, err)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return s.link(plan)
}

// plan is what an import has to do.
type plan struct {
	missing map[v1.Hash]int64
	bytes   int64
	images  []planned
}

type planned struct {
	reference Reference
	digest    v1.Hash
	items     []item
}

func (s *Store) plan(ctx context.Context, source Source, images []Image) (*plan, error) {
	p := &plan{missing: make(map[v1.Hash]int64)}
	for _, image := range images {
		reference, err := ParseReference(image.Name)
		if err != nil {
			return nil, err
		}
		if reference.Digest.Hex != "" && reference.Digest != image.Descriptor.Digest {
			return nil, fmt.Errorf("image %s: its digest is %s", image.Name, image.Descriptor.Digest)
		}
		items, err := walk(ctx, source, image.Descriptor, image.has)
		if err != nil {
			return nil, fmt.Errorf("image %s: %w", image.Name, err)
		}
		for _, item := range items {
			digest, size := item.descriptor.Digest, item.descriptor.Size
			if found, ok := s.Size(digest); ok && found == size {
				continue
			}
			if _, known := p.missing[digest]; !known {
				p.missing[digest] = size
				p.bytes += size
			}
		}
		p.images = append(p.images, planned{reference: reference, digest: image.Descriptor.Digest, items: items})
	}
	return p, nil
}

func (i Image) has(child v1.Descriptor) bool {
	return i.Present == nil || slices.Contains(i.Present, child.Digest)
}

func (s *Store) importBlob(ctx context.Context, source bundle.BlobSource, digest v1.Hash, size int64, progress func(int64)) (err error) {
	path := s.blobPath(digest)
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	// One name for all attempts: what a killed process left is overwritten.
	partial, err := os.OpenFile(path+".partial", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, partial.Close(), os.Remove(partial.Name()))
		}
	}()
	if err := extract(ctx, source, digest, size, partial, progress); err != nil {
		return err
	}
	if err := partial.Sync(); err != nil {
		return fmt.Errorf("blob %s: %w", digest, err)
	}
	if err := partial.Close(); err != nil {
		return fmt.Errorf("blob %s: %w", digest, err)
	}
	return os.Rename(partial.Name(), path)
}

// alternatives is a source that may have several copies of a blob, as masters do.
type alternatives interface {
	// Reject tells that the copy that was opened last is damaged; it is not opened
	// again. It fails if there is no other.
	Reject(digest v1.Hash) error
}

// extract copies a blob, from another copy if one is damaged.
func extract(ctx context.Context, source bundle.BlobSource, digest v1.Hash, size int64, to *os.File, progress func(int64)) error {
	for {
		err := bundle.Extract(ctx, source, digest, size, to, progress)
		several, ok := source.(alternatives)
		if !ok || !damagedBlob(err, digest) {
			return err
		}
		if err := several.Reject(digest); err != nil {
			return err
		}
	}
}

func damaged(err error) bool {
	_, ok := errors.AsType[*bundle.DamagedError](err)
	return ok
}

// damagedBlob tells whether an error is that a certain blob is damaged: what is
// interrupted since another one is has that as its cause.
func damagedBlob(err error, digest v1.Hash) bool {
	damage, ok := errors.AsType[*bundle.DamagedError](err)
	return ok && damage.Digest == digest
}

// explain tells what to do about a damaged source that has one copy only.
func explain(source bundle.BlobSource, err error) error {
	if _, several := source.(alternatives); !several && damaged(err) {
		return cli.WithHint(err, "the bundle is damaged: copy it again, and check it with 'tele verify'")
	}
	return err
}

package bundle

import (
	"context"
	"fmt"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Draft is a bundle of which every byte is decided and none is written: its
// small entries are made, and its blobs have their places.
type Draft struct {
	draft *draft
	items []item
	size  int64
}

// Plan decides what a bundle will be. It reads manifests and indexes from the
// source, and no layer.
//
// Errors name the entry, blob or image.
func Plan(ctx context.Context, contents Contents) (*Draft, error) {
	draft, err := contents.draw(ctx)
	if err != nil {
		return nil, err
	}
	items, size, err := draft.place()
	if err != nil {
		return nil, err
	}
	return &Draft{draft: draft, items: items, size: size}, nil
}

// Digest is that of index.json, which identifies the bundle.
func (d *Draft) Digest() v1.Hash { return hashOf(d.draft.small[NameIndex]) }

// Size is the length of the file in bytes.
func (d *Draft) Size() int64 { return d.size }

// Blobs is how many the bundle has, without what only its bases have.
func (d *Draft) Blobs() int { return len(d.draft.graph.order()) }

// Write makes the file. It is as Write says.
func (d *Draft) Write(ctx context.Context, path string, options Options) (Written, error) {
	if err := d.write(ctx, path, options); err != nil {
		return Written{}, fmt.Errorf("bundle %s: %w", path, err)
	}
	return Written{Size: d.size, Digest: d.Digest(), Blobs: d.Blobs()}, nil
}

func (d *Draft) write(ctx context.Context, path string, options Options) error {
	if err := checkSpace(filepath.Dir(path), d.size); err != nil {
		return err
	}
	output, err := createOutput(path)
	if err != nil {
		return err
	}
	defer output.discard()
	// All padding, and the end of the archive, are zeros.
	if err := output.Truncate(d.size); err != nil {
		return err
	}
	if err := d.draft.fill(ctx, output.File, d.items, options); err != nil {
		return explainFull(err, path, d.size)
	}
	return explainFull(output.commit(), path, d.size)
}

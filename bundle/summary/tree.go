package summary

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
)

// maxVisits bounds the descriptors that are followed: a forged bundle could ask
// for very many. Bundles that can be written have fewer.
const maxVisits = 20 * bundle.MaxBlobs

// document is what manifests and indexes have in common.
type document struct {
	Manifests []v1.Descriptor `json:"manifests"`
	Config    *v1.Descriptor  `json:"config"`
	Layers    []v1.Descriptor `json:"layers"`
}

// children are the descriptors of what the document consists of.
func (d *document) children() []v1.Descriptor {
	children := append([]v1.Descriptor{}, d.Manifests...)
	if d.Config != nil {
		children = append(children, *d.Config)
	}
	return append(children, d.Layers...)
}

// tree reads manifests, each of them once, and never layers.
type tree struct {
	bundle *bundle.Bundle
	read   map[v1.Hash]*document
	visits int
}

func newTree(b *bundle.Bundle) *tree {
	return &tree{bundle: b, read: make(map[v1.Hash]*document)}
}

// isManifest tells whether a descriptor's target has descriptors itself.
func isManifest(descriptor v1.Descriptor) bool {
	return descriptor.MediaType.IsImage() || descriptor.MediaType.IsIndex()
}

// document returns a manifest or an index.
func (t *tree) document(ctx context.Context, digest v1.Hash) (*document, error) {
	if known := t.read[digest]; known != nil {
		return known, nil
	}
	content, err := t.bundle.ReadManifest(ctx, digest)
	if err != nil {
		return nil, err
	}
	parsed := new(document)
	if err := json.Unmarshal(content, parsed); err != nil {
		return nil, fmt.Errorf("manifest %s: %w", digest, err)
	}
	t.read[digest] = parsed
	return parsed, nil
}

// blobs returns all blobs at and below a descriptor with their sizes. Of a
// sparse index, only the manifests that are present count.
func (t *tree) blobs(ctx context.Context, top v1.Descriptor, present []v1.Hash) (sizes, error) {
	found := sizes{}
	queue := []v1.Descriptor{top}
	for len(queue) > 0 {
		next := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if t.visits++; t.visits > maxVisits {
			return nil, fmt.Errorf("the manifests have more than %d descriptors", maxVisits)
		}
		if _, seen := found[next.Digest]; seen {
			continue
		}
		found[next.Digest] = next.Size
		if !isManifest(next) {
			continue
		}
		read, err := t.document(ctx, next.Digest)
		if err != nil {
			return nil, err
		}
		children := read.children()
		if next.Digest == top.Digest && present != nil {
			children = only(children, present)
		}
		queue = append(queue, children...)
	}
	return found, nil
}

// only returns the descriptors of some digests.
func only(descriptors []v1.Descriptor, digests []v1.Hash) []v1.Descriptor {
	wanted := make(map[v1.Hash]bool, len(digests))
	for _, digest := range digests {
		wanted[digest] = true
	}
	var kept []v1.Descriptor
	for _, descriptor := range descriptors {
		if wanted[descriptor.Digest] {
			kept = append(kept, descriptor)
		}
	}
	return kept
}

// sizes are blobs with their sizes.
type sizes map[v1.Hash]int64

// sum is the size of all of them.
func (s sizes) sum() int64 {
	var sum int64
	for _, size := range s {
		sum += size
	}
	return sum
}

// union adds blobs.
func (s sizes) union(other sizes) { maps.Copy(s, other) }

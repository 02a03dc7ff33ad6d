package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// maxVisits bounds how many descriptors the manifests below one reference may
// have, which a forged one could make very many.
const maxVisits = 200_000

// manifests is what manifests are read from.
type manifests interface {
	// ReadManifest returns a manifest whose digest was checked.
	ReadManifest(ctx context.Context, digest v1.Hash) ([]byte, error)
}

// item is a blob below a reference.
type item struct {
	descriptor v1.Descriptor
	// manifest tells manifests and indexes from configurations and layers.
	manifest bool
}

// document is what image manifests and indexes have in common.
type document struct {
	MediaType types.MediaType `json:"mediaType"`
	Manifests []v1.Descriptor `json:"manifests"`
	Config    *v1.Descriptor  `json:"config"`
	Layers    []v1.Descriptor `json:"layers"`
}

func descriptorOf(digest v1.Hash) v1.Descriptor {
	return v1.Descriptor{Digest: digest, MediaType: types.OCIImageIndex}
}

// walk lists all blobs below a manifest or index, each once, those that others
// refer to before those that refer to them. Manifests of an index that present
// denies are left out, if one is left.
func walk(ctx context.Context, from manifests, root v1.Descriptor, present func(v1.Descriptor) bool) ([]item, error) {
	w := walker{from: from, present: present, seen: make(map[v1.Hash]bool)}
	if err := w.descend(ctx, root, 0); err != nil {
		return nil, err
	}
	return w.items, nil
}

type walker struct {
	from    manifests
	present func(v1.Descriptor) bool
	seen    map[v1.Hash]bool
	items   []item
	visits  int
}

func (w *walker) descend(ctx context.Context, descriptor v1.Descriptor, depth int) error {
	if w.visits++; w.visits > maxVisits || depth > 8 {
		return fmt.Errorf("manifest %s: too much lies below it", descriptor.Digest)
	}
	if err := checkDigest(descriptor.Digest); err != nil {
		return err
	}
	if w.seen[descriptor.Digest] {
		return nil
	}
	w.seen[descriptor.Digest] = true
	isManifest := descriptor.MediaType.IsIndex() || descriptor.MediaType.IsImage()
	if isManifest {
		if err := w.children(ctx, descriptor, depth); err != nil {
			return err
		}
	}
	w.items = append(w.items, item{descriptor: descriptor, manifest: isManifest})
	return nil
}

func (w *walker) children(ctx context.Context, descriptor v1.Descriptor, depth int) error {
	content, err := w.from.ReadManifest(ctx, descriptor.Digest)
	if err != nil {
		return err
	}
	var read document
	if err := json.Unmarshal(content, &read); err != nil {
		return fmt.Errorf("manifest %s: %w", descriptor.Digest, err)
	}
	children := make([]v1.Descriptor, 0, len(read.Manifests))
	for _, child := range read.Manifests {
		if w.present(child) {
			children = append(children, child)
		}
	}
	if len(children) == 0 {
		children = read.Manifests // whoever looks for them says what is missing
	}
	if read.Config != nil {
		children = append(children, *read.Config)
	}
	for _, child := range append(children, read.Layers...) {
		if err := w.descend(ctx, child, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func hashOf(content []byte) v1.Hash {
	sum := sha256.Sum256(content)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}

package pull

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// walk brings one image into the cache.
type walk struct {
	*puller
	from  origin
	image Image
	seen  map[v1.Hash]int64
	// fetching tells, once, that something of the image is not in the cache.
	fetching func()
	// blobs are configurations and layers, which need not be here to go on.
	blobs []v1.Descriptor
}

// root fetches the manifest that a reference leads to, all manifests that are
// wanted below it, tells that they are known, and then fetches all blobs at once.
func (w *walk) root(ctx context.Context, digest v1.Hash, known func()) error {
	if err := w.descend(ctx, v1.Descriptor{Digest: digest}, 0); err != nil {
		return err
	}
	w.image.Descriptor = w.image.Blobs[0]
	missing := slices.DeleteFunc(w.blobs, w.has)
	for _, blob := range missing {
		w.space.reserve(blob, w.begun(blob))
	}
	if len(missing) > 0 {
		w.fetching()
	}
	known()
	if err := w.space.wait(ctx); err != nil {
		return err
	}
	failures := make([]error, len(missing))
	var group sync.WaitGroup
	for i, blob := range missing {
		group.Go(func() {
			failures[i] = doing(w.blob(ctx, w.from, blob), "get blob %s", blob.Digest)
		})
	}
	group.Wait()
	for _, err := range failures {
		if err != nil {
			return err // the first one is enough for an image
		}
	}
	w.platforms()
	return nil
}

// document is what image manifests and indexes have in common.
type document struct {
	SchemaVersion int             `json:"schemaVersion"`
	MediaType     types.MediaType `json:"mediaType"`
	Config        *v1.Descriptor  `json:"config"`
	Layers        []v1.Descriptor `json:"layers"`
	Manifests     []v1.Descriptor `json:"manifests"`
}

// descend fetches a manifest and those below it.
func (w *walk) descend(ctx context.Context, descriptor v1.Descriptor, depth int) error {
	if depth > MaxDepth {
		return fmt.Errorf("manifest %s: indexes lie more than %d deep", descriptor.Digest, MaxDepth)
	}
	if size, ok := w.seen[descriptor.Digest]; ok && size == descriptor.Size {
		return nil
	}
	if _, err := os.Stat(w.path(descriptor.Digest)); err != nil {
		w.fetching()
	}
	content, err := w.manifest(ctx, w.from, descriptor.Digest)
	if err != nil {
		return doing(err, "get manifest %s", descriptor.Digest)
	}
	if depth > 0 && descriptor.Size != int64(len(content)) {
		return fmt.Errorf("manifest %s has %d bytes, the index says %d", descriptor.Digest, len(content), descriptor.Size)
	}
	read, err := parse(content, descriptor.MediaType)
	if err != nil {
		return fmt.Errorf("manifest %s: %w", descriptor.Digest, err)
	}
	descriptor.Size, descriptor.MediaType = int64(len(content)), read.MediaType
	if err := w.add(descriptor); err != nil {
		return err
	}
	if read.MediaType.IsIndex() {
		return w.children(ctx, read, depth)
	}
	for _, blob := range append([]v1.Descriptor{*read.Config}, read.Layers...) {
		if _, ok := w.seen[blob.Digest]; !ok {
			w.blobs = append(w.blobs, blob)
		}
		if err := w.add(blob); err != nil {
			return err
		}
	}
	return nil
}

// children fetches what is wanted of an index. Below the top nothing is left
// out: only there are gaps marked.
func (w *walk) children(ctx context.Context, index *document, depth int) error {
	wanted := index.Manifests
	if depth == 0 && !w.options.AllPlatforms {
		var err error
		if wanted, err = choose(index.Manifests, *w.options.Platform); err != nil {
			return err
		}
		if len(wanted) < len(index.Manifests) {
			for _, child := range wanted {
				w.image.Present = append(w.image.Present, child.Digest)
			}
		}
	}
	for _, child := range wanted {
		if err := w.descend(ctx, child, depth+1); err != nil {
			return err
		}
		if child.Platform != nil && child.Platform.OS != "unknown" {
			w.image.Platforms = append(w.image.Platforms, *child.Platform)
		}
	}
	return nil
}

// choose returns the first manifest of a platform, else the indexes without a
// platform, which may have it.
func choose(children []v1.Descriptor, platform v1.Platform) ([]v1.Descriptor, error) {
	var nested []v1.Descriptor
	var others []string
	for _, child := range children {
		switch {
		case child.Platform != nil && child.Platform.Satisfies(platform):
			return []v1.Descriptor{child}, nil
		case child.Platform == nil && child.MediaType.IsIndex():
			nested = append(nested, child)
		case child.Platform != nil && child.Platform.OS != "unknown":
			others = append(others, child.Platform.String())
		}
	}
	if len(nested) == 0 {
		return nil, fmt.Errorf("there is no image for %s; there is one for: %s", platform.String(), strings.Join(others, ", "))
	}
	return nested, nil
}

// add records a blob; one of two sizes is an error.
func (w *walk) add(descriptor v1.Descriptor) error {
	if descriptor.Digest.Algorithm != "sha256" || len(descriptor.Digest.Hex) != 64 {
		return fmt.Errorf("blob %s: only SHA-256 is supported", descriptor.Digest)
	}
	if descriptor.Size < 0 {
		return fmt.Errorf("blob %s has a size of %d bytes", descriptor.Digest, descriptor.Size)
	}
	size, ok := w.seen[descriptor.Digest]
	if ok && size != descriptor.Size {
		return fmt.Errorf("blob %s has %d bytes in one place and %d in another", descriptor.Digest, size, descriptor.Size)
	}
	if !ok {
		if len(w.image.Blobs) == bundle.MaxBlobs {
			return fmt.Errorf("there are more than %d blobs", bundle.MaxBlobs)
		}
		w.seen[descriptor.Digest] = descriptor.Size
		w.image.Blobs = append(w.image.Blobs, descriptor)
	}
	return nil
}

// parse reads a manifest or index and finds out which of them it is.
func parse(content []byte, listed types.MediaType) (*document, error) {
	read := &document{}
	if err := json.NewDecoder(bytes.NewReader(content)).Decode(read); err != nil {
		return nil, err
	}
	if read.MediaType == "" {
		switch {
		case read.SchemaVersion == 1:
			read.MediaType = types.DockerManifestSchema1
		case listed != "":
			read.MediaType = listed
		case read.Manifests != nil:
			read.MediaType = types.OCIImageIndex
		default:
			read.MediaType = types.OCIManifestSchema1
		}
	}
	switch {
	case read.MediaType.IsSchema1():
		return nil, cli.WithHint(errors.New("the image has Docker's format schema1, which runtimes no longer know"), "push the image again with a current tool")
	case read.MediaType.IsIndex():
	case read.MediaType.IsImage():
		if read.Config == nil {
			return nil, errors.New("the manifest has no configuration")
		}
	default:
		return nil, fmt.Errorf("the media type %q is neither an image nor an index", read.MediaType)
	}
	if len(read.Manifests) > MaxChildren || len(read.Layers) > MaxChildren {
		return nil, fmt.Errorf("it lists more than %d manifests or layers", MaxChildren)
	}
	return read, nil
}

// platforms reads the platform of an image that no index tells about.
func (w *walk) platforms() {
	if w.image.Platforms != nil || w.image.Descriptor.MediaType.IsIndex() {
		return
	}
	content, err := w.Cache.manifest(w.image.Blobs[1].Digest)
	if err != nil {
		return
	}
	var platform v1.Platform
	if json.Unmarshal(content, &platform) == nil && platform.OS != "" {
		w.image.Platforms = []v1.Platform{platform}
	}
}

package build

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/upgrade"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

const (
	// minDelta is the smallest layer that is worth a delta, in bytes.
	minDelta = 1 << 20
	// maxDepth is how many deltas it may take to restore a layer.
	maxDepth = 2
)

// chooseEmbedded checks the runtimes that shall be embedded.
func (a *Application) chooseEmbedded(ctx context.Context) error {
	if len(a.source.UpgradeVia) == 0 {
		return nil
	}
	if a.Manifest.Kind == manifest.KindApplication {
		return fmt.Errorf("--upgrade-via: %s has no runtime: it is for clusters that exist already", a.Manifest.Metadata.Name)
	}
	catalogue, err := runtime.Releases()
	if err != nil {
		return err
	}
	if a.Embedded, err = upgrade.Catalogue(catalogue.Releases).Embed(a.Runtime, a.source.UpgradeVia); err != nil {
		return fmt.Errorf("--upgrade-via: %w", err)
	}
	versions, err := a.runtimes.Versions(ctx)
	if err != nil {
		return err
	}
	for _, version := range a.Embedded {
		if !slices.Contains(versions, version) {
			return cli.WithHint(fmt.Errorf("--upgrade-via: there is no runtime %s in %s", version, a.runtimes),
				"there is: %s", strings.Join(versions, ", "))
		}
	}
	return nil
}

// named is a layer of a runtime, as others may be made of it.
type named struct {
	// built is the layer as it was built, compressed.
	built v1.Descriptor
	// stored is how the bundle has or restores it.
	stored v1.Descriptor
	// depth is how many deltas that takes.
	depth int
}

// embedding makes runtimes small by what others of the bundle have.
type embedding struct {
	*builder
	made bundle.Memory
	// layers are those of runtimes so far, by name, the newest first.
	layers map[string][]named
	// have are the layers that the bundle has as they were built.
	have map[v1.Hash]bool
}

// embed adds the runtimes that an upgrade steps through, the newest first: each is
// stored as what it has that the next one has not.
func (b *builder) embed(ctx context.Context) error {
	e := &embedding{builder: b, made: bundle.Memory{}, layers: map[string][]named{}, have: map[v1.Hash]bool{}}
	b.sources = append(b.sources, e.made)
	for _, base := range b.contents.Bases {
		if err := e.addBase(ctx, base); err != nil {
			return fmt.Errorf("base %s %s: %w", base.Index().Name, base.Index().Version, err)
		}
	}
	target, err := e.pack(ctx, b.contents.Runtimes[0])
	if err != nil {
		return fmt.Errorf("runtime %s: %w", target.Version, err)
	}
	b.contents.Runtimes = []bundle.Runtime{target}
	for _, version := range slices.Backward(b.Embedded) {
		if !b.synced[version] {
			b.synced[version] = true
			b.steps.next("Syncing packages for " + version)
		}
		listed := bundle.Runtime{Version: version, Embedded: true}
		if listed.Descriptor, err = b.fetch(ctx, version); err != nil {
			return err
		}
		if listed, err = e.pack(ctx, listed); err != nil {
			return fmt.Errorf("embed runtime %s: %w", version, err)
		}
		b.contents.Runtimes = append(b.contents.Runtimes, listed)
	}
	return nil
}

// addBase adds the layers of a base's own runtime that it has as they were built:
// the target's layers may be made of them.
func (e *embedding) addBase(ctx context.Context, base *bundle.Bundle) error {
	runtimes := base.Index().Runtimes
	if len(runtimes) == 0 {
		return nil
	}
	has := base.Blobs()
	return e.eachLayer(ctx, runtimes[0].Descriptor, func(name string, layer v1.Descriptor, _ v1.Hash) error {
		if _, ok := has[layer.Digest]; ok {
			e.add(name, named{built: layer, stored: layer})
		}
		return nil
	})
}

func (e *embedding) add(name string, layer named) {
	if layer.depth == 0 {
		e.have[layer.built.Digest] = true
	}
	if name != "" && !slices.ContainsFunc(e.layers[name], func(known named) bool { return known.built.Digest == layer.built.Digest }) {
		e.layers[name] = append(e.layers[name], layer)
	}
}

// pack stores a runtime as what the others have not.
func (e *embedding) pack(ctx context.Context, listed bundle.Runtime) (bundle.Runtime, error) {
	deltas := map[v1.Hash]bundle.Delta{}
	seen := map[v1.Hash]bool{}
	err := e.eachLayer(ctx, listed.Descriptor, func(name string, layer v1.Descriptor, diffID v1.Hash) error {
		if seen[layer.Digest] || e.have[layer.Digest] {
			return nil
		}
		seen[layer.Digest] = true
		next := named{built: layer, stored: layer}
		if base, ok := e.base(name, layer); ok {
			made, err := e.delta(ctx, listed.Version, name, base, layer, diffID)
			if err != nil {
				return err
			}
			if made != nil {
				deltas[layer.Digest] = *made
				next.stored, next.depth = made.Restores, base.depth+1
			}
		}
		e.add(name, next)
		return nil
	})
	if err != nil || len(deltas) == 0 {
		return listed, err
	}
	return bundle.Pack(ctx, e.sources, listed, deltas, e.made)
}

// base is the layer of the nearest runtime that a layer can be made of.
func (e *embedding) base(name string, layer v1.Descriptor) (named, bool) {
	if layer.Size < minDelta || !strings.HasSuffix(string(layer.MediaType), "+zstd") {
		return named{}, false
	}
	for _, known := range slices.Backward(e.layers[name]) {
		if known.depth < maxDepth && strings.HasSuffix(string(known.built.MediaType), "+zstd") {
			return known, true
		}
	}
	return named{}, false
}

// delta makes the delta of a layer, or finds it in the cache. It returns nil if the
// layer itself is not larger.
func (e *embedding) delta(ctx context.Context, version, name string, base named, layer v1.Descriptor, diffID v1.Hash) (*bundle.Delta, error) {
	made, err := e.deltas.get(ctx, e.sources, base.built, layer, diffID, func() {
		e.steps.detail(fmt.Sprintf("Making a delta of layer %s of %s", name, version))
	})
	if err != nil {
		return nil, fmt.Errorf("delta of layer %s: %w", name, err)
	}
	if made == nil {
		return nil, nil
	}
	return &bundle.Delta{
		Blob:     made.Blob,
		Restores: v1.Descriptor{MediaType: types.OCIUncompressedLayer, Digest: diffID, Size: made.Size},
		Base:     base.stored,
	}, nil
}

// eachLayer goes over the layers of a runtime's images, with their names and the
// digests of what they are without compression.
func (e *embedding) eachLayer(ctx context.Context, artifact v1.Descriptor, do func(name string, layer v1.Descriptor, diffID v1.Hash) error) error {
	var index v1.IndexManifest
	if err := e.readJSON(ctx, artifact, &index); err != nil {
		return err
	}
	for _, child := range index.Manifests {
		var image v1.Manifest
		if err := e.readJSON(ctx, child, &image); err != nil {
			return err
		}
		var config v1.ConfigFile
		if image.Config.MediaType.IsConfig() {
			if err := e.readJSON(ctx, image.Config, &config); err != nil {
				return err
			}
		}
		for i, layer := range image.Layers {
			if i >= len(config.RootFS.DiffIDs) {
				break // no image
			}
			if err := do(layer.Annotations[runtime.AnnotationLayer], layer, config.RootFS.DiffIDs[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *embedding) readJSON(ctx context.Context, descriptor v1.Descriptor, into any) error {
	content, err := readSmall(ctx, e.sources, descriptor.Digest)
	if err != nil {
		return fmt.Errorf("blob %s: %w", descriptor.Digest, err)
	}
	if err := json.Unmarshal(content, into); err != nil {
		return fmt.Errorf("blob %s: %w", descriptor.Digest, err)
	}
	return nil
}

// closeAll closes files that were only read.
func closeAll(files ...*os.File) {
	for _, file := range files {
		if file != nil {
			_ = file.Close()
		}
	}
}

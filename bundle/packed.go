package bundle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/delta"
)

// A runtime of which a bundle has only what another runtime lacks is packed: one
// artifact whose layers are all blobs that the bundle has for it, so that nothing
// that is listed is missing, and registries take it. Its index, manifests and
// configurations are layers there. Layers that are stored as deltas are listed by
// the manifests as they will be restored: not compressed, so that their digest is
// their diff ID, since nobody could compress them to the same bytes again.
const (
	// PackedArtifactType marks a packed runtime.
	PackedArtifactType = "application/vnd.gravity.runtime.packed.v1"
	// PackedMediaType is that of a packed runtime's index, manifests and
	// configurations, as layers.
	PackedMediaType = "application/vnd.gravity.packed.v1+json"

	// AnnotationIndex has digest and size of a packed runtime's index.
	AnnotationIndex = "dev.gravity.runtime.index"
	// AnnotationOriginal has the digest of the index that a packed runtime had
	// when it was built.
	AnnotationOriginal = "dev.gravity.runtime.original"
	// AnnotationRestores has digest and size of what a delta restores, and
	// AnnotationBase digest and media type of what it takes for that.
	AnnotationRestores = "dev.gravity.delta.restores"
	AnnotationBase     = "dev.gravity.delta.base"
)

// maxChain is how many deltas it may take to restore a layer.
const maxChain = 2

// Delta is a layer that is stored as its difference to another.
type Delta struct {
	// Blob is the delta.
	Blob v1.Descriptor
	// Restores is the layer, which is not compressed.
	Restores v1.Descriptor
	// Base is the other layer, as it lies in a bundle or is restored itself;
	// deltas are made of what it is without compression.
	Base v1.Descriptor
}

// descriptor is how a packed runtime lists a delta.
func (d Delta) descriptor() v1.Descriptor {
	return v1.Descriptor{
		MediaType: delta.MediaType, Digest: d.Blob.Digest, Size: d.Blob.Size,
		Annotations: map[string]string{
			AnnotationRestores: placeOf(d.Restores), AnnotationBase: d.Base.Digest.String() + " " + string(d.Base.MediaType),
		},
	}
}

// parseDelta reads what descriptor wrote.
func parseDelta(listed v1.Descriptor) (Delta, error) {
	d := Delta{Blob: listed}
	var err error
	if d.Restores, err = parsePlace(listed.Annotations[AnnotationRestores]); err != nil {
		return d, fmt.Errorf("delta %s: what it restores: %w", listed.Digest, err)
	}
	d.Restores.MediaType = types.OCIUncompressedLayer
	if d.Restores.Size > delta.MaxSize {
		return d, fmt.Errorf("delta %s: it restores %d bytes, at most %d", listed.Digest, d.Restores.Size, int64(delta.MaxSize))
	}
	digest, mediaType, ok := strings.Cut(listed.Annotations[AnnotationBase], " ")
	if d.Base.Digest, err = parseHash(digest); err != nil || !ok {
		return d, fmt.Errorf("delta %s: its base is %.200q", listed.Digest, listed.Annotations[AnnotationBase])
	}
	d.Base.MediaType = types.MediaType(mediaType)
	return d, nil
}

// placeOf writes digest and size.
func placeOf(descriptor v1.Descriptor) string {
	return fmt.Sprintf("%s %d", descriptor.Digest, descriptor.Size)
}

func parsePlace(text string) (v1.Descriptor, error) {
	digits, length, _ := strings.Cut(text, " ")
	digest, err := parseHash(digits)
	if err != nil {
		return v1.Descriptor{}, err
	}
	size, err := strconv.ParseInt(length, 10, 64)
	if err != nil || size < 0 {
		return v1.Descriptor{}, fmt.Errorf("size %.40q", length)
	}
	return v1.Descriptor{Digest: digest, Size: size}, nil
}

// Pack turns a runtime into a packed one, in which layers are replaced by deltas:
// by the digests of the layers that the runtime lists now. What is made goes to
// made; the source has the rest.
func Pack(ctx context.Context, source BlobSource, runtime Runtime, deltas map[v1.Hash]Delta, made Memory) (Runtime, error) {
	p := &packer{source: source, deltas: deltas, made: made, listed: make(map[v1.Hash]bool)}
	index, err := p.index(ctx, runtime.Descriptor)
	if err != nil {
		return Runtime{}, fmt.Errorf("pack runtime %s: %w", runtime.Version, err)
	}
	packed, err := artifact(made, PackedArtifactType, p.layers)
	if err != nil {
		return Runtime{}, fmt.Errorf("pack runtime %s: %w", runtime.Version, err)
	}
	runtime.Original, runtime.Descriptor, runtime.Packed = runtime.Descriptor.Digest, index, &packed
	return runtime, nil
}

// packer lists the layers of a packed runtime.
type packer struct {
	source BlobSource
	deltas map[v1.Hash]Delta
	made   Memory
	layers []v1.Descriptor
	listed map[v1.Hash]bool
}

// add lists a layer once.
func (p *packer) add(layer v1.Descriptor) {
	if !p.listed[layer.Digest] {
		p.listed[layer.Digest] = true
		p.layers = append(p.layers, layer)
	}
}

// document lists something that was made or read.
func (p *packer) document(content []byte) v1.Descriptor {
	described := p.made.Add(content)
	p.add(v1.Descriptor{MediaType: PackedMediaType, Digest: described.Digest, Size: described.Size})
	return described
}

func (p *packer) index(ctx context.Context, descriptor v1.Descriptor) (v1.Descriptor, error) {
	content, err := readBlob(ctx, p.source, descriptor.Digest, descriptor.Size)
	if err != nil {
		return v1.Descriptor{}, err
	}
	var index v1.IndexManifest
	if err := json.Unmarshal(content, &index); err != nil {
		return v1.Descriptor{}, err
	}
	for i := range index.Manifests {
		child := &index.Manifests[i]
		if !child.MediaType.IsImage() {
			return v1.Descriptor{}, fmt.Errorf("manifest %s: media type %q", child.Digest, child.MediaType)
		}
		if err := p.manifest(ctx, child); err != nil {
			return v1.Descriptor{}, fmt.Errorf("manifest %s: %w", child.Digest, err)
		}
	}
	if content, err = json.Marshal(index); err != nil {
		return v1.Descriptor{}, err
	}
	described := p.document(content)
	described.MediaType, described.ArtifactType = types.OCIImageIndex, descriptor.ArtifactType
	return described, nil
}

// manifest lists what a manifest consists of, and replaces layers by what deltas
// restore. The configuration stays, and with it the diff IDs that restored layers
// must have.
func (p *packer) manifest(ctx context.Context, descriptor *v1.Descriptor) error {
	content, err := readBlob(ctx, p.source, descriptor.Digest, descriptor.Size)
	if err != nil {
		return err
	}
	var manifest v1.Manifest
	if err := json.Unmarshal(content, &manifest); err != nil {
		return err
	}
	config, err := readBlob(ctx, p.source, manifest.Config.Digest, manifest.Config.Size)
	if err != nil {
		return fmt.Errorf("configuration %s: %w", manifest.Config.Digest, err)
	}
	changed := false
	for i := range manifest.Layers {
		layer := &manifest.Layers[i]
		replacement, ok := p.deltas[layer.Digest]
		if !ok {
			p.add(v1.Descriptor{MediaType: layer.MediaType, Digest: layer.Digest, Size: layer.Size})
			continue
		}
		if err := checkDiffID(config, i, replacement.Restores.Digest); err != nil {
			return err
		}
		layer.MediaType, layer.Digest, layer.Size = types.OCIUncompressedLayer, replacement.Restores.Digest, replacement.Restores.Size
		p.add(replacement.descriptor())
		changed = true
	}
	p.document(config)
	if changed {
		if content, err = json.Marshal(manifest); err != nil {
			return err
		}
	}
	described := p.document(content)
	descriptor.Digest, descriptor.Size = described.Digest, described.Size
	return nil
}

// checkDiffID compares what is restored with what the image's configuration says.
func checkDiffID(config []byte, number int, digest v1.Hash) error {
	var read v1.ConfigFile
	if err := json.Unmarshal(config, &read); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	if number >= len(read.RootFS.DiffIDs) || read.RootFS.DiffIDs[number] != digest {
		return fmt.Errorf("layer %d is not %s, as a delta restores it", number+1, digest)
	}
	return nil
}

// readPacked lists the deltas of a packed runtime.
func readPacked(ctx context.Context, source BlobSource, packed v1.Descriptor) ([]Delta, error) {
	content, err := readBlob(ctx, source, packed.Digest, packed.Size)
	if err != nil {
		return nil, err
	}
	var manifest v1.Manifest
	if err := json.Unmarshal(content, &manifest); err != nil {
		return nil, err
	}
	if manifest.ArtifactType != PackedArtifactType {
		return nil, errors.New("it is no packed runtime")
	}
	var deltas []Delta
	for _, layer := range manifest.Layers {
		if layer.MediaType != delta.MediaType {
			continue
		}
		if err := checkDescriptor(layer); err != nil {
			return nil, err
		}
		parsed, err := parseDelta(layer)
		if err != nil {
			return nil, err
		}
		deltas = append(deltas, parsed)
	}
	return deltas, nil
}

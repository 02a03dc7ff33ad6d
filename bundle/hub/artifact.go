package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

const (
	// ArtifactType marks the index of a bundle in a registry.
	ArtifactType = "application/vnd.gravity.hub.v1"
	// FilesArtifactType marks the artifact with index.json and the other entries.
	FilesArtifactType = "application/vnd.gravity.hub.files.v1"
	// FileMediaType is a layer of it: an entry of the bundle, whose name is the
	// annotation org.opencontainers.image.title.
	FileMediaType = "application/vnd.gravity.hub.file.v1"

	// AnnotationDigest is the bundle's digest, on the index, AnnotationSize the sum
	// of its blobs and entries in bytes, and AnnotationRuntime the version of
	// Kubernetes that it installs, if it has one. Nobody vouches for them.
	AnnotationDigest  = "dev.gravity.digest"
	AnnotationSize    = "dev.gravity.size"
	AnnotationRuntime = "dev.gravity.runtime"

	annotationTitle = "org.opencontainers.image.title"
	emptyMediaType  = "application/vnd.oci.empty.v1+json"
	blobFolder      = "packages/blobs/sha256/"

	// maxManifests is how many manifests an index may have: what pulling takes.
	maxManifests = 1000
	// maxDepth is how deep indexes may lie in each other.
	maxDepth = 8
)

// part is a manifest of a bundle.
type part struct {
	descriptor v1.Descriptor
	content    []byte
	manifests  []*part
	// blobs are the configuration and the layers.
	blobs []v1.Descriptor
	// complete tells that all below it is in the bundle, so that a registry takes
	// it.
	complete bool
	// level is 0 for manifests without manifests, and one more than the highest
	// below it for others.
	level int
}

// artifact is a bundle as a registry has it.
type artifact struct {
	// index and files are the manifests that are made for it, with their
	// descriptors.
	index, files           []byte
	indexDigest            v1.Hash
	filesDescriptor        v1.Descriptor
	fileLayers             []v1.Descriptor
	roots                  []*part
	images                 map[v1.Hash]string
	bundle                 *bundle.Bundle
	blobs                  map[v1.Hash]int64
	made                   bundle.Memory
	parts                  map[v1.Hash]*part
	covered                map[v1.Hash]bool
	name, version, indexed string
}

// newArtifact decides what a bundle is in a registry. It reads manifests only.
func newArtifact(ctx context.Context, b *bundle.Bundle) (*artifact, error) {
	a := &artifact{
		bundle: b, blobs: b.Blobs(), made: bundle.Memory{}, parts: map[v1.Hash]*part{}, covered: map[v1.Hash]bool{}, images: map[v1.Hash]string{},
		name: b.Index().Name, version: b.Index().Version, indexed: b.Digest().String(),
	}
	var listed struct {
		Manifests []v1.Descriptor `json:"manifests"`
	}
	if err := json.Unmarshal(b.IndexJSON(), &listed); err != nil {
		return nil, err
	}
	var children []v1.Descriptor
	seen := map[v1.Hash]bool{}
	for _, descriptor := range listed.Manifests {
		top, err := a.read(ctx, descriptor, 0)
		if err != nil {
			return nil, err
		}
		for _, root := range top.whole() {
			if seen[root.descriptor.Digest] {
				continue
			}
			seen[root.descriptor.Digest] = true
			a.roots = append(a.roots, root)
			a.cover(root, descriptor.Annotations["org.opencontainers.image.ref.name"])
			child := root.descriptor
			child.Annotations = descriptor.Annotations
			children = append(children, child)
		}
	}
	if len(children) >= maxManifests {
		return nil, fmt.Errorf("the bundle has %d images and runtimes, and a hub takes fewer than %d", len(children), maxManifests)
	}
	if err := a.makeFiles(); err != nil {
		return nil, err
	}
	return a, a.makeIndex(append([]v1.Descriptor{a.filesDescriptor}, children...))
}

// whole are the topmost manifests of which all is there.
func (p *part) whole() []*part {
	if p == nil {
		return nil
	}
	if p.complete {
		return []*part{p}
	}
	var found []*part
	for _, child := range p.manifests {
		found = append(found, child.whole()...)
	}
	return found
}

// read reads a manifest and all below it; nil if the bundle does not have it.
func (a *artifact) read(ctx context.Context, descriptor v1.Descriptor, depth int) (*part, error) {
	if known, ok := a.parts[descriptor.Digest]; ok {
		return known, nil
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("manifest %s: indexes lie more than %d deep", descriptor.Digest, maxDepth)
	}
	if !a.has(descriptor.Digest) {
		return nil, nil //nolint:nilnil // what is not there is not an error
	}
	content, err := a.bundle.ReadManifest(ctx, descriptor.Digest)
	if err != nil {
		return nil, err
	}
	var read struct {
		MediaType types.MediaType `json:"mediaType"`
		Manifests []v1.Descriptor `json:"manifests"`
		Config    *v1.Descriptor  `json:"config"`
		Layers    []v1.Descriptor `json:"layers"`
	}
	if err := json.Unmarshal(content, &read); err != nil {
		return nil, fmt.Errorf("manifest %s: %w", descriptor.Digest, err)
	}
	p := &part{content: content, complete: true, descriptor: v1.Descriptor{
		MediaType: descriptor.MediaType, Digest: descriptor.Digest, Size: int64(len(content)),
		ArtifactType: descriptor.ArtifactType, Platform: descriptor.Platform,
	}}
	if read.MediaType != "" {
		p.descriptor.MediaType = read.MediaType
	}
	a.parts[descriptor.Digest] = p
	if !p.descriptor.MediaType.IsIndex() {
		p.blobs = read.Layers
		if read.Config != nil {
			p.blobs = append(p.blobs, *read.Config)
		}
		for _, blob := range p.blobs {
			p.complete = p.complete && a.has(blob.Digest)
		}
		return p, nil
	}
	for _, listed := range read.Manifests {
		child, err := a.read(ctx, listed, depth+1)
		if err != nil {
			return nil, err
		}
		if child == nil {
			p.complete = false
			continue
		}
		p.manifests = append(p.manifests, child)
		p.complete = p.complete && child.complete
		p.level = max(p.level, child.level+1)
	}
	return p, nil
}

func (a *artifact) has(digest v1.Hash) bool {
	_, ok := a.blobs[digest]
	return ok
}

// cover notes what a registry has with a manifest, and for which image.
func (a *artifact) cover(p *part, reference string) {
	if a.covered[p.descriptor.Digest] {
		return
	}
	a.covered[p.descriptor.Digest] = true
	for _, blob := range p.blobs {
		a.covered[blob.Digest] = true
		a.images[blob.Digest] = reference
	}
	for _, child := range p.manifests {
		a.cover(child, reference)
	}
}

// makeFiles makes the artifact with all that is no manifest, and with no manifest.
func (a *artifact) makeFiles() error {
	add := func(title string, digest v1.Hash, size int64) {
		a.fileLayers = append(a.fileLayers, v1.Descriptor{
			MediaType: FileMediaType, Digest: digest, Size: size, Annotations: map[string]string{annotationTitle: title},
		})
	}
	index := a.made.Add(a.bundle.IndexJSON())
	add(bundle.NameIndex, index.Digest, index.Size)
	if signatures := a.bundle.Signatures().Encode(); signatures != nil {
		made := a.made.Add(signatures)
		add(bundle.NameSignature, made.Digest, made.Size)
	}
	for _, entry := range a.bundle.Entries() {
		add(entry.Name, entry.Digest, entry.Size)
	}
	for _, digest := range slices.SortedFunc(maps.Keys(a.blobs), func(a, b v1.Hash) int { return strings.Compare(a.Hex, b.Hex) }) {
		if !a.covered[digest] {
			add(blobFolder+digest.Hex, digest, a.blobs[digest])
		}
	}
	if len(a.fileLayers) > maxManifests {
		return a.tooManyFiles()
	}
	config := a.made.Add([]byte("{}"))
	config.MediaType = emptyMediaType
	var err error
	if a.files, err = json.Marshal(v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: FilesArtifactType, Config: config, Layers: a.fileLayers,
	}); err != nil {
		return err
	}
	a.fileLayers = append(a.fileLayers, config)
	a.filesDescriptor = a.made.Add(a.files)
	a.filesDescriptor.MediaType, a.filesDescriptor.ArtifactType = types.OCIManifestSchema1, FilesArtifactType
	return nil
}

// tooManyFiles says why manifests cannot be in a hub as what they are, and what to do.
func (a *artifact) tooManyFiles() error {
	if a.bundle.Index().Bases != nil {
		return cli.WithHint(
			fmt.Errorf("the bundle was built upon a base, and %d of its files belong to images whose layers only the base has; a hub takes at most %d",
				len(a.fileLayers), maxManifests),
			"push the complete bundle, built without --base: what the repository has of the version before is not sent again")
	}
	return cli.WithHint(
		fmt.Errorf("the bundle has %d files that belong to indexes of which manifests are missing, and a hub takes at most %d",
			len(a.fileLayers), maxManifests),
		"build it with --all-platforms")
}

// makeIndex makes what the tag leads to.
func (a *artifact) makeIndex(manifests []v1.Descriptor) error {
	index := a.bundle.Index()
	annotations := map[string]string{
		bundle.AnnotationFormat: bundle.Format, bundle.AnnotationName: a.name, runtime.AnnotationVersion: a.version,
		bundle.AnnotationPlatform: index.Platform.String(), AnnotationDigest: a.indexed,
		AnnotationSize:  strconv.FormatInt(a.bundle.Size(), 10),
		annotationTitle: a.name, "org.opencontainers.image.version": a.version,
	}
	if len(index.Runtimes) > 0 {
		annotations[AnnotationRuntime] = index.Runtimes[0].Version
	}
	var err error
	if a.index, err = json.Marshal(v1.IndexManifest{
		SchemaVersion: 2, MediaType: types.OCIImageIndex, ArtifactType: ArtifactType, Manifests: manifests, Annotations: annotations,
	}); err != nil {
		return err
	}
	for _, content := range [][]byte{a.index, a.files} {
		if len(content) > bundle.MaxManifestSize {
			return fmt.Errorf("the bundle's list of contents has %d bytes, and registries take %d", len(content), bundle.MaxManifestSize)
		}
	}
	a.indexDigest = a.made.Add(a.index).Digest
	return nil
}

// described is what the index of a bundle in a registry says about it.
type described struct {
	name, version, platform, runtime, digest string
	size                                     int64
	files                                    v1.Descriptor
	children                                 []v1.Descriptor
}

// errNoBundle tells that something in a registry is no bundle.
var errNoBundle = errors.New("is no bundle")

// parseIndex reads the index of a bundle in a registry.
func parseIndex(content []byte) (*described, error) {
	if len(content) > bundle.MaxManifestSize {
		return nil, fmt.Errorf("index: more than %d bytes", bundle.MaxManifestSize)
	}
	var index v1.IndexManifest
	if err := json.Unmarshal(content, &index); err != nil || index.ArtifactType != ArtifactType {
		return nil, errNoBundle
	}
	annotations := index.Annotations
	if format := annotations[bundle.AnnotationFormat]; format != bundle.Format {
		return nil, fmt.Errorf("the format of the bundle is %.20q, and this program reads %q", format, bundle.Format)
	}
	if len(index.Manifests) == 0 || len(index.Manifests) > maxManifests || index.Manifests[0].ArtifactType != FilesArtifactType {
		return nil, fmt.Errorf("%w: its list of manifests is another's", errNoBundle)
	}
	size, err := strconv.ParseInt(annotations[AnnotationSize], 10, 64)
	if err != nil || size < 0 {
		size = 0
	}
	return &described{
		name: annotations[bundle.AnnotationName], version: annotations[runtime.AnnotationVersion],
		platform: annotations[bundle.AnnotationPlatform], runtime: annotations[AnnotationRuntime],
		digest: annotations[AnnotationDigest], size: size,
		files: index.Manifests[0], children: index.Manifests[1:],
	}, nil
}

// files are what the layers of the first artifact are, by their names.
func parseFiles(content []byte) (map[string]v1.Descriptor, error) {
	var manifest v1.Manifest
	if err := json.Unmarshal(content, &manifest); err != nil || manifest.ArtifactType != FilesArtifactType {
		return nil, fmt.Errorf("%w: it does not list its files", errNoBundle)
	}
	files := map[string]v1.Descriptor{}
	for _, layer := range manifest.Layers {
		title := layer.Annotations[annotationTitle]
		if _, ok := files[title]; ok {
			return nil, fmt.Errorf("file %.200q is listed twice", title)
		}
		files[title] = layer
	}
	if _, ok := files[bundle.NameIndex]; !ok {
		return nil, fmt.Errorf("%w: it has no %s", errNoBundle, bundle.NameIndex)
	}
	return files, nil
}

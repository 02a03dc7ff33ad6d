package bundle

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// root is a manifest that index.json lists.
type root struct {
	// owner says whose it is, for errors: "image docker.io/library/nginx:1.27".
	owner      string
	descriptor v1.Descriptor
	// present are the manifests of a sparse index; nil for all others.
	present []v1.Hash
}

// roots lists what index.json lists, in its order.
func (x *Index) roots() []root {
	roots := []root{{owner: "application " + x.Name, descriptor: x.Application}}
	for _, image := range x.Images {
		roots = append(roots, root{owner: "image " + image.Reference, descriptor: image.Descriptor, present: image.Present})
	}
	for _, listed := range x.Runtimes {
		roots = append(roots, root{owner: "runtime " + listed.Version, descriptor: listed.Stored()})
	}
	if x.SBOM != nil {
		roots = append(roots, root{owner: "bill of materials", descriptor: *x.SBOM})
	}
	if x.Bases != nil {
		roots = append(roots, root{owner: RoleBases, descriptor: *x.Bases})
	}
	return roots
}

// node is a blob that something needs.
type node struct {
	size int64
	// small tells manifests, indexes and configurations, which lie before the
	// layers.
	small bool
	// absent tells what only a base has.
	absent bool
	// owner is the first root that needs it.
	owner string
}

// graph has all blobs below some roots.
type graph struct {
	nodes map[v1.Hash]*node
	// sizes are the sums of the sizes of the blobs below each root.
	sizes []int64
}

// walker follows descriptors from manifest to manifest.
type walker struct {
	source BlobSource
	graph  graph
	// parsed has the children of manifests that were read.
	parsed map[v1.Hash]*manifest
	// visits counts steps, of which a forged bundle could ask for very many.
	visits int
}

// manifest is what image manifests and indexes have in common, for a walk.
type manifest struct {
	Manifests []v1.Descriptor `json:"manifests"`
	Config    *v1.Descriptor  `json:"config"`
	Layers    []v1.Descriptor `json:"layers"`
}

// isManifest tells whether a descriptor's target has descriptors itself.
func isManifest(descriptor v1.Descriptor) bool {
	return descriptor.MediaType.IsImage() || descriptor.MediaType.IsIndex()
}

// isSmall tells blobs that are read to understand a bundle.
func isSmall(descriptor v1.Descriptor) bool {
	return isManifest(descriptor) || descriptor.MediaType == PackedMediaType || descriptor.MediaType == BasesMediaType
}

// walk finds the blobs below roots. Manifests are read from the source and
// checked; other blobs are not read. With tolerant, the walk goes on behind a
// manifest that cannot be read, and errors are handed to it; without, the first
// one ends the walk.
func walk(ctx context.Context, source BlobSource, roots []root, tolerant func(digest v1.Hash, owner string, err error)) (graph, error) {
	w := &walker{
		source: source,
		graph:  graph{nodes: make(map[v1.Hash]*node)},
		parsed: make(map[v1.Hash]*manifest),
	}
	for _, from := range roots {
		visit := visit{walker: w, owner: from.owner, seen: make(map[v1.Hash]bool), tolerant: tolerant}
		if err := visit.descend(ctx, from.descriptor, from.present, 0); err != nil {
			return graph{}, fmt.Errorf("%s: %w", from.owner, err)
		}
		w.graph.sizes = append(w.graph.sizes, visit.size)
	}
	return w.graph, nil
}

// visit is the walk below one root.
type visit struct {
	*walker
	owner    string
	seen     map[v1.Hash]bool
	size     int64
	tolerant func(digest v1.Hash, owner string, err error)
}

// descend adds a blob and all below it; present restricts the children of a
// sparse index.
func (v *visit) descend(ctx context.Context, descriptor v1.Descriptor, present []v1.Hash, depth int) error {
	if v.visits++; v.visits > maxVisits {
		return fmt.Errorf("more than %d descriptors", maxVisits)
	}
	if v.seen[descriptor.Digest] {
		return v.add(descriptor, false)
	}
	v.seen[descriptor.Digest] = true
	if depth > maxDepth {
		return fmt.Errorf("blob %s: indexes lie more than %d deep", descriptor.Digest, maxDepth)
	}
	if err := v.add(descriptor, isSmall(descriptor)); err != nil {
		return err
	}
	v.size += descriptor.Size
	if !isManifest(descriptor) {
		return nil
	}
	read, err := v.read(ctx, descriptor)
	if err != nil {
		err = fmt.Errorf("manifest %s: %w", descriptor.Digest, err)
		if v.tolerant == nil || ctx.Err() != nil {
			return err
		}
		v.tolerant(descriptor.Digest, v.owner, err)
		return nil
	}
	children, err := restrict(read.Manifests, present)
	if err != nil {
		return fmt.Errorf("index %s: %w", descriptor.Digest, err)
	}
	for _, child := range children {
		if err := v.descend(ctx, child, nil, depth+1); err != nil {
			return err
		}
	}
	if read.Config != nil {
		if err := v.descend(ctx, *read.Config, nil, depth+1); err != nil {
			return err
		}
		v.graph.nodes[read.Config.Digest].small = true
	}
	for _, layer := range read.Layers {
		if err := v.descend(ctx, layer, nil, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// restrict picks the children that a sparse index has.
func restrict(children []v1.Descriptor, present []v1.Hash) ([]v1.Descriptor, error) {
	if present == nil {
		return children, nil
	}
	var kept []v1.Descriptor
	for _, digest := range present {
		i := slices.IndexFunc(children, func(child v1.Descriptor) bool { return child.Digest == digest })
		if i < 0 {
			return nil, fmt.Errorf("%s is marked as present, but the index does not list it", digest)
		}
		kept = append(kept, children[i])
	}
	return kept, nil
}

// add records a blob; one of two sizes is an error.
func (v *visit) add(descriptor v1.Descriptor, small bool) error {
	if err := checkDescriptor(descriptor); err != nil {
		return fmt.Errorf("blob %s: %w", descriptor.Digest, err)
	}
	known, ok := v.graph.nodes[descriptor.Digest]
	if !ok {
		if len(v.graph.nodes) == MaxBlobs {
			return fmt.Errorf("more than %d blobs", MaxBlobs)
		}
		v.graph.nodes[descriptor.Digest] = &node{size: descriptor.Size, small: small, owner: v.owner}
		return nil
	}
	if known.size != descriptor.Size {
		return fmt.Errorf("blob %s has %d bytes here and %d bytes for %s", descriptor.Digest, descriptor.Size, known.size, known.owner)
	}
	known.small = known.small || small
	return nil
}

// read reads and checks a manifest.
func (v *visit) read(ctx context.Context, descriptor v1.Descriptor) (*manifest, error) {
	if known, ok := v.parsed[descriptor.Digest]; ok {
		return known, nil
	}
	content, err := readBlob(ctx, v.source, descriptor.Digest, descriptor.Size)
	if err != nil {
		return nil, err
	}
	if descriptor.MediaType == types.DockerManifestSchema1 || descriptor.MediaType == types.DockerManifestSchema1Signed {
		return nil, fmt.Errorf("its type %s is that of Docker before 2017", descriptor.MediaType)
	}
	var read manifest
	if err := json.Unmarshal(content, &read); err != nil {
		return nil, err
	}
	if descriptor.MediaType.IsIndex() {
		read.Config, read.Layers = nil, nil
	} else {
		read.Manifests = nil
	}
	v.parsed[descriptor.Digest] = &read
	return &read, nil
}

// readBlob reads a blob that must be small, and checks its digest.
func readBlob(ctx context.Context, source BlobSource, digest v1.Hash, size int64) ([]byte, error) {
	return readLimited(ctx, source, digest, size, MaxManifestSize)
}

// readLimited reads a blob that has no more bytes than a limit, and checks its
// digest.
func readLimited(ctx context.Context, source BlobSource, digest v1.Hash, size, limit int64) ([]byte, error) {
	if size > limit {
		return nil, fmt.Errorf("%d bytes, at most %d", size, limit)
	}
	blob, err := source.Open(ctx, digest)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	content, err := io.ReadAll(io.LimitReader(blob, size+1))
	if err != nil {
		return nil, err
	}
	if int64(len(content)) != size {
		return nil, &DamagedError{digest, fmt.Errorf("the length is not %d bytes, as its descriptor says", size)}
	}
	if hashOf(content) != digest {
		return nil, &DamagedError{digest, errDigest}
	}
	return content, nil
}

// order lists blobs as they lie in a bundle: those that are read to understand
// it first, each kind by digest.
func (g graph) order() []tableRow {
	rows := make([]tableRow, 0, len(g.nodes))
	for digest, node := range g.nodes {
		if node.absent {
			continue
		}
		rows = append(rows, tableRow{hex: digest.Hex, size: node.size})
	}
	slices.SortFunc(rows, func(a, b tableRow) int {
		smallA, smallB := g.nodes[a.hash()].small, g.nodes[b.hash()].small
		switch {
		case smallA && !smallB:
			return -1
		case smallB && !smallA:
			return 1
		}
		return strings.Compare(a.hex, b.hex)
	})
	return rows
}

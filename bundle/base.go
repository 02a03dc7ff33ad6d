package bundle

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// A bundle may lack what others have that are at the site already: its bases. It
// has all manifests and configurations, and lists the layers that it lacks, so what
// is in it can be told without them.
const (
	// RoleBases is the role of the artifact that lists what a bundle lacks.
	RoleBases = "bases"
	// BasesArtifactType marks that artifact, and BasesMediaType its only layer.
	BasesArtifactType = "application/vnd.gravity.bases.v1"
	BasesMediaType    = "application/vnd.gravity.bases.v1+json"

	maxBases = 64
)

// Base is a bundle that another one needs.
type Base struct {
	// Name and Version are the application's, and Digest identifies the bundle.
	Name    string  `json:"name"`
	Version string  `json:"version"`
	Digest  v1.Hash `json:"digest"`
	// Blobs are the layers that the bundle lacks and this one has, by digest.
	Blobs []BaseBlob `json:"blobs"`
}

// BaseBlob is a layer in a base.
type BaseBlob struct {
	Digest v1.Hash `json:"digest"`
	Size   int64   `json:"size"`
}

// Size is how many bytes are needed of the base.
func (b Base) Size() (size int64) {
	for _, blob := range b.Blobs {
		size += blob.Size
	}
	return size
}

// String names the base.
func (b Base) String() string { return b.Name + " " + b.Version }

// bases is the document that lists them.
type bases struct {
	Bases []Base `json:"bases"`
}

// MissingBaseError tells that a blob is in a base, and the base is not there.
type MissingBaseError struct {
	Base   Base
	Digest v1.Hash
}

// Error names both.
func (e *MissingBaseError) Error() string {
	return fmt.Sprintf("blob %s is in the bundle %s (%s), which is not at hand", e.Digest, e.Base, e.Base.Digest)
}

// needed are blobs that a bundle lacks.
type needed map[v1.Hash]neededBlob

type neededBlob struct {
	size int64
	base *Base
}

// leaveOut marks what bases have, and returns the document that says so; nil if
// there is nothing.
func (c *Contents) leaveOut(ctx context.Context, found graph, source BlobSource) (*bases, error) {
	lacking, err := c.deltaBases(ctx, found, source)
	if err != nil {
		return nil, err
	}
	document := &bases{}
	for _, bundle := range c.Bases {
		base := Base{Name: bundle.index.Name, Version: bundle.index.Version, Digest: bundle.digest}
		for _, digest := range sortedHashes(found.nodes) {
			node := found.nodes[digest]
			if size, ok := bundle.sizes[digest]; ok && !node.small && !node.absent && size == node.size {
				node.absent = true
				base.Blobs = append(base.Blobs, BaseBlob{digest, size})
			}
		}
		for _, digest := range sortedHashes(lacking) {
			if size, ok := bundle.sizes[digest]; ok {
				base.Blobs = append(base.Blobs, BaseBlob{digest, size})
				delete(lacking, digest)
			}
		}
		if len(base.Blobs) > 0 {
			slices.SortFunc(base.Blobs, func(a, b BaseBlob) int { return cmp.Compare(a.Digest.Hex, b.Digest.Hex) })
			document.Bases = append(document.Bases, base)
		}
	}
	for _, digest := range sortedHashes(lacking) {
		return nil, fmt.Errorf("nothing has the layer %s, of which a delta is made", digest)
	}
	if len(document.Bases) == 0 {
		return nil, nil
	}
	return document, nil
}

// deltaBases lists what deltas are made of that the bundle does not have itself.
func (c *Contents) deltaBases(ctx context.Context, found graph, source BlobSource) (map[v1.Hash]bool, error) {
	known := deltas{}
	for _, listed := range c.Runtimes {
		if listed.Packed == nil {
			continue
		}
		of, err := readPacked(ctx, source, *listed.Packed)
		if err != nil {
			return nil, fmt.Errorf("runtime %s: %w", listed.Version, err)
		}
		for _, one := range of {
			known[one.Restores.Digest] = one
		}
	}
	return known.outside(found), nil
}

// outside lists the bases of deltas that are neither in a graph nor restored.
func (d deltas) outside(found graph) map[v1.Hash]bool {
	lacking := make(map[v1.Hash]bool)
	for _, one := range d {
		_, restored := d[one.Base.Digest]
		if found.nodes[one.Base.Digest] == nil && !restored {
			lacking[one.Base.Digest] = true
		}
	}
	return lacking
}

func sortedHashes[V any](of map[v1.Hash]V) []v1.Hash {
	return slices.SortedFunc(maps.Keys(of), func(a, b v1.Hash) int { return cmp.Compare(a.Hex, b.Hex) })
}

// add lists the document in an index, and its blobs in a graph.
func (d *bases) add(ctx context.Context, index *Index, made Memory, source BlobSource, to *graph) error {
	content, err := json.Marshal(d)
	if err != nil {
		return err
	}
	layer := made.Add(content)
	layer.MediaType = BasesMediaType
	described, err := artifact(made, BasesArtifactType, []v1.Descriptor{layer})
	if err != nil {
		return err
	}
	index.Bases = &described
	more, err := walk(ctx, source, []root{{owner: RoleBases, descriptor: described}}, nil)
	if err != nil {
		return err
	}
	for digest, node := range more.nodes {
		if to.nodes[digest] == nil {
			to.nodes[digest] = node
		}
	}
	return nil
}

// Bases lists the bundles that this one needs, with what it lacks; none if it is
// complete.
func (b *Bundle) Bases() ([]Base, error) {
	document, err := b.bases()
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	return document.Bases, nil
}

// readBases reads and checks what the bundle lacks.
func (b *Bundle) readBases() (*bases, error) {
	return b.index.readBases(context.Background(), b)
}

// readBases reads and checks what a bundle lacks, which its own blobs say.
func (x *Index) readBases(ctx context.Context, source BlobSource) (*bases, error) {
	document := &bases{}
	if x.Bases == nil {
		return document, nil
	}
	content, err := readBlob(ctx, source, x.Bases.Digest, x.Bases.Size)
	if err != nil {
		return nil, fmt.Errorf("list of bases: %w", err)
	}
	var listed v1.Manifest
	if err := json.Unmarshal(content, &listed); err != nil {
		return nil, fmt.Errorf("list of bases: %w", err)
	}
	if len(listed.Layers) != 1 || listed.Layers[0].MediaType != BasesMediaType {
		return nil, errors.New("list of bases: it is none")
	}
	content, err = readLimited(ctx, source, listed.Layers[0].Digest, listed.Layers[0].Size, MaxIndexSize)
	if err != nil {
		return nil, fmt.Errorf("list of bases: %w", err)
	}
	if err := json.Unmarshal(content, document); err != nil {
		return nil, fmt.Errorf("list of bases: %w", err)
	}
	if err := document.check(); err != nil {
		return nil, fmt.Errorf("list of bases: %w", err)
	}
	return document, nil
}

// mark notes in a graph what only bases have. A blob that the graph does not need
// is one of which deltas are made.
func (d *bases) mark(found graph) error {
	for _, base := range d.Bases {
		for _, blob := range base.Blobs {
			node := found.nodes[blob.Digest]
			if node == nil {
				continue
			}
			if node.small || node.size != blob.Size {
				return fmt.Errorf("list of bases: blob %s of base %s is not what %s needs", blob.Digest, base, node.owner)
			}
			node.absent = true
		}
	}
	return nil
}

func (d *bases) check() error {
	if len(d.Bases) == 0 || len(d.Bases) > maxBases {
		return fmt.Errorf("it lists %d", len(d.Bases))
	}
	seen := make(map[v1.Hash]bool)
	for _, base := range d.Bases {
		if err := checkName(base.Name, base.Version); err != nil {
			return err
		}
		if _, err := parseHash(base.Digest.String()); err != nil {
			return err
		}
		for _, blob := range base.Blobs {
			if err := checkDescriptor(v1.Descriptor{Digest: blob.Digest, Size: blob.Size}); err != nil {
				return err
			}
			if seen[blob.Digest] || len(seen) == MaxBlobs {
				return fmt.Errorf("blob %s is listed twice, or too much is", blob.Digest)
			}
			seen[blob.Digest] = true
		}
	}
	return nil
}

// needed lists what the bundle lacks, by digest.
func (b *Bundle) needed() (needed, error) {
	document, err := b.bases()
	if err != nil {
		return nil, err
	}
	lacking := needed{}
	for i := range document.Bases {
		for _, blob := range document.Bases[i].Blobs {
			lacking[blob.Digest] = neededBlob{blob.Size, &document.Bases[i]}
		}
	}
	return lacking, nil
}

// UseBases says where to find what the bundle lacks: in open bundles, which must be
// those that it was built upon. They must stay open as long as the bundle.
func (b *Bundle) UseBases(bundles ...*Bundle) error {
	listed, err := b.Bases()
	if err != nil {
		return err
	}
	sources := Sources{}
	for _, one := range bundles {
		if !slices.ContainsFunc(listed, func(base Base) bool { return base.Digest == one.digest }) {
			return fmt.Errorf("%s %s (%s) is not what %s %s was built upon", one.index.Name, one.index.Version, one.digest, b.index.Name, b.index.Version)
		}
		sources = append(sources, one)
	}
	b.UseSource(sources)
	return nil
}

// UseSource says where to find what the bundle lacks, such as the package store of
// a cluster that has the base. What is read is checked.
func (b *Bundle) UseSource(source BlobSource) { b.source = source }

// Complete fails if the bundle needs another one that UseBases or UseSource did not
// give, naming both.
func (b *Bundle) Complete() error {
	listed, err := b.Bases()
	if err != nil {
		return err
	}
	for _, base := range listed {
		for _, blob := range base.Blobs {
			found, err := b.Open(context.Background(), blob.Digest)
			if err != nil {
				return cli.WithHint(
					fmt.Errorf("the bundle of %s %s has only what the bundle of %s (%s) lacks, and that one is not here: %w",
						b.index.Name, b.index.Version, base, base.Digest, missing(err)),
					"use the complete bundle of %s %s, or a machine that has %s", b.index.Name, b.index.Version, base)
			}
			if err := found.Close(); err != nil {
				return err
			}
		}
	}
	return nil
}

// missing is the cause that a blob of a base cannot be read, without what the error
// around it says already.
func missing(err error) error {
	if of, ok := errors.AsType[*MissingBaseError](err); ok {
		return fmt.Errorf("blob %s: %w", of.Digest, fs.ErrNotExist)
	}
	return err
}

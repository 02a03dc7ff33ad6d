package bundle

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/Masterminds/semver/v3"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/database"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/script"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// Contents is what a bundle is made of. Blobs are given by descriptors, with
// media type, digest and size; their contents come from Source.
type Contents struct {
	// Name and Version are the application's, as its manifest has them.
	Name, Version string
	// Platform is that of the machines: linux with amd64 or arm64.
	Platform v1.Platform
	// Manifest is app.yaml, as it is installed.
	Manifest []byte
	// Resources is the folder of the application as a layer, if there is one; an
	// empty media type means ResourcesMediaType.
	Resources *v1.Descriptor
	// Images are those of the application, in any order.
	Images []Image
	// Runtimes are the target and embedded ones, in any order; none for an
	// application that is for clusters that exist already.
	Runtimes []Runtime
	// SBOM is the bill of materials, if there is one: a document in SPDX.
	SBOM *v1.Descriptor
	// Gravity is the program; nil if and only if there is no runtime.
	Gravity *v1.Descriptor
	// Bases are bundles that the site has: what layers they have is left out. They
	// must stay open.
	Bases []*Bundle
	// Source has all blobs, and the program by its digest.
	Source BlobSource
}

// check finds what is missing or cannot be.
func (c *Contents) check() error {
	if err := checkName(c.Name, c.Version); err != nil {
		return err
	}
	if c.Platform.OS != "linux" {
		return fmt.Errorf("platform %q is not linux", c.Platform)
	}
	if len(c.Manifest) > MaxManifestSize {
		return fmt.Errorf("%s: %d bytes, at most %d", NameManifest, len(c.Manifest), MaxManifestSize)
	}
	if (c.Gravity == nil) != (len(c.Runtimes) == 0) {
		return errors.New("a bundle has a runtime and the program gravity, or neither")
	}
	seen := make(map[string]bool)
	for _, image := range c.Images {
		if err := checkReference(image.Reference); err != nil {
			return err
		}
		if seen[image.Reference] {
			return fmt.Errorf("image %s is listed twice", image.Reference)
		}
		seen[image.Reference] = true
		if !isManifest(image.Descriptor) {
			return fmt.Errorf("image %s: media type %q is not that of an image", image.Reference, image.Descriptor.MediaType)
		}
		if image.Sparse() && (len(image.Present) == 0 || !image.Descriptor.MediaType.IsIndex()) {
			return fmt.Errorf("image %s is marked as sparse, but is no index or has no manifests", image.Reference)
		}
	}
	for _, base := range c.Bases {
		if base.index.Platform.String() != c.Platform.String() {
			return fmt.Errorf("base %s %s is for %s, not for %s", base.index.Name, base.index.Version, base.index.Platform, c.Platform)
		}
	}
	for _, listed := range c.Runtimes {
		if !listed.Descriptor.MediaType.IsIndex() {
			return fmt.Errorf("runtime %s: media type %q is not that of an index", listed.Version, listed.Descriptor.MediaType)
		}
	}
	return nil
}

// sortRuntimes puts the target first and embedded ones in the order of their
// versions.
func sortRuntimes(runtimes []Runtime) ([]Runtime, error) {
	versions := make(map[string]*semver.Version)
	targets := 0
	for _, listed := range runtimes {
		version, err := semver.StrictNewVersion(listed.Version)
		if err != nil {
			return nil, fmt.Errorf("runtime %q: %w", listed.Version, err)
		}
		if versions[listed.Version] != nil {
			return nil, fmt.Errorf("runtime %s is listed twice", listed.Version)
		}
		versions[listed.Version] = version
		if !listed.Embedded {
			targets++
		}
	}
	if len(runtimes) > 0 && targets != 1 {
		return nil, fmt.Errorf("a bundle has one target runtime, not %d", targets)
	}
	return slices.SortedFunc(slices.Values(runtimes), func(a, b Runtime) int {
		if a.Embedded != b.Embedded {
			if b.Embedded {
				return -1
			}
			return 1
		}
		return versions[a.Version].Compare(versions[b.Version])
	}), nil
}

// draft is a bundle whose blobs are known but not copied.
type draft struct {
	index Index
	// source has also what was made here.
	source BlobSource
	graph  graph
	// small are the entries before gravity and the blobs, by name.
	small map[string][]byte
}

// draw makes index.json and all other small entries.
func (c *Contents) draw(ctx context.Context) (*draft, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	made := Memory{}
	d := &draft{source: Sources{made, c.Source}}
	if err := c.fillIndex(&d.index, made); err != nil {
		return nil, err
	}
	var err error
	if d.graph, err = walk(ctx, d.source, d.index.roots(), nil); err != nil {
		return nil, err
	}
	if len(c.Bases) > 0 {
		document, err := c.leaveOut(ctx, d.graph, d.source)
		if err == nil && document != nil {
			err = document.add(ctx, &d.index, made, d.source, &d.graph)
		}
		if err != nil {
			return nil, err
		}
	}
	if d.small, err = c.smallEntries(&d.index, d.graph); err != nil {
		return nil, err
	}
	d.index.Entries = make(map[string]Entry)
	for name, content := range d.small {
		d.index.Entries[name] = Entry{Name: name, Mode: modes[name], Size: int64(len(content)), Digest: hashOf(content)}
	}
	if c.Gravity != nil {
		if err := checkDescriptor(*c.Gravity); err != nil {
			return nil, fmt.Errorf("gravity: %w", err)
		}
		d.index.Entries[NameGravity] = Entry{
			Name: NameGravity, Mode: modes[NameGravity], Size: c.Gravity.Size, Digest: c.Gravity.Digest,
		}
	}
	content, err := d.index.encode()
	if err != nil {
		return nil, err
	}
	// Whoever opens the bundle would find out.
	if _, err := ParseIndex(content); err != nil {
		return nil, err
	}
	d.small[NameIndex] = content
	d.small[NameBlobs] = table{index: hashOf(content), rows: d.graph.order()}.encode()
	return d, nil
}

// fillIndex lists manifests in the index, and makes those that are missing.
func (c *Contents) fillIndex(index *Index, made Memory) (err error) {
	index.Name, index.Version, index.Platform = c.Name, c.Version, c.Platform
	index.Images = slices.SortedFunc(slices.Values(c.Images), func(a, b Image) int {
		return cmp.Compare(a.Reference, b.Reference)
	})
	if index.Runtimes, err = sortRuntimes(c.Runtimes); err != nil {
		return err
	}
	layer := made.Add(c.Manifest)
	layer.MediaType = ManifestMediaType
	layers := []v1.Descriptor{layer}
	if c.Resources != nil {
		layers = append(layers, v1.Descriptor{
			MediaType: cmp.Or(c.Resources.MediaType, ResourcesMediaType),
			Digest:    c.Resources.Digest, Size: c.Resources.Size,
		})
	}
	if index.Application, err = artifact(made, ApplicationArtifactType, layers); err != nil {
		return err
	}
	if c.SBOM == nil {
		return nil
	}
	sbom := v1.Descriptor{MediaType: runtime.SBOMMediaType, Digest: c.SBOM.Digest, Size: c.SBOM.Size}
	described, err := artifact(made, runtime.SBOMMediaType, []v1.Descriptor{sbom})
	index.SBOM = &described
	return err
}

// artifact makes an OCI manifest of layers that are no image.
func artifact(made Memory, artifactType string, layers []v1.Descriptor) (v1.Descriptor, error) {
	config := made.Add([]byte("{}"))
	config.MediaType = "application/vnd.oci.empty.v1+json"
	content, err := json.Marshal(v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: artifactType,
		Config: config, Layers: layers,
	})
	if err != nil {
		return v1.Descriptor{}, err
	}
	described := made.Add(content)
	described.MediaType = types.OCIManifestSchema1
	described.ArtifactType = artifactType
	return described, nil
}

// smallEntries makes the entries that index.json will have the digests of.
func (c *Contents) smallEntries(index *Index, blobs graph) (map[string][]byte, error) {
	small := map[string][]byte{NameManifest: c.Manifest, NameLayout: []byte(layoutMarker)}
	values := script.Values{Name: c.Name, Version: c.Version, Architecture: c.Platform.Architecture}
	texts := []string{NameReadme}
	if len(index.Runtimes) > 0 {
		values.Runtime = index.Runtimes[0].Version
		texts = append(texts, script.Names()...)
	}
	for _, name := range texts {
		content, err := script.Render(name, values)
		if err != nil {
			return nil, err
		}
		small[name] = content
	}
	content, err := database.Render(index.database(blobs))
	if err != nil {
		return nil, err
	}
	small[NameDatabase] = content
	return small, nil
}

// database returns what gravity.db says about the index.
func (x *Index) database(blobs graph) database.Contents {
	contents := database.Contents{Blobs: make(map[v1.Hash]int64, len(blobs.nodes))}
	for digest, node := range blobs.nodes {
		if !node.absent {
			contents.Blobs[digest] = node.size
		}
	}
	add := func(listed database.Package, descriptor v1.Descriptor) {
		listed.Digest, listed.Size = descriptor.Digest, blobs.sizes[len(contents.Packages)]
		contents.Packages = append(contents.Packages, listed)
	}
	add(database.Package{Name: x.Reference(), Version: x.Version, Type: RoleApplication}, x.Application)
	for _, image := range x.Images {
		listed := database.Package{Name: image.Reference, Type: runtime.RoleImage}
		if image.Sparse() {
			listed.Labels = map[string]string{"sparse": "true"}
		}
		add(listed, image.Descriptor)
	}
	for _, listed := range x.Runtimes {
		named := database.Package{Name: runtime.Reference(listed.Version), Version: listed.Version, Type: RoleRuntime}
		if listed.Embedded {
			// The label of the original, by which upgrades find their steps.
			named.Labels = map[string]string{"intermediate-upgrade": listed.Version}
		}
		add(named, listed.Stored())
	}
	if x.SBOM != nil {
		add(database.Package{Name: reference("sbom", x.Name, x.Version), Type: runtime.RoleSBOM}, *x.SBOM)
	}
	return contents
}

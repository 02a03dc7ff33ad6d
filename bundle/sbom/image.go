package sbom

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
)

// maxNestedIndexes is how deep indexes may lie in each other.
const maxNestedIndexes = 4

func sortedImages(images []bundle.Image) []bundle.Image {
	return slices.SortedFunc(slices.Values(images), func(a, b bundle.Image) int { return strings.Compare(a.Reference, b.Reference) })
}

// addImage adds an image, or an index with the images of its platforms that are
// there.
func (d *draft) addImage(ctx context.Context, image bundle.Image) error {
	reference, err := name.ParseReference(image.Reference)
	if err != nil {
		return err
	}
	at := place{reference: reference, tag: tagOf(image.Reference), parent: d.application, present: image.Present}
	return d.addManifest(ctx, at, image.Descriptor, 0)
}

// tagOf returns the tag of a reference, also of one that has a digest as well.
func tagOf(reference string) string {
	base, _, pinned := strings.Cut(reference, "@")
	tag, err := name.NewTag(base)
	if err != nil || pinned && !strings.HasSuffix(base, ":"+tag.TagStr()) {
		return ""
	}
	return tag.TagStr()
}

// place is where a manifest stands.
type place struct {
	reference name.Reference
	// tag is that of the reference, or empty.
	tag string
	// parent is the package that contains it.
	parent string
	// present are the manifests of a sparse index that are there.
	present []v1.Hash
	// platform is what the index says about it, or nil.
	platform *v1.Platform
}

func (d *draft) addManifest(ctx context.Context, at place, descriptor v1.Descriptor, depth int) error {
	if descriptor.MediaType.IsImage() {
		return d.addPlatform(ctx, at, descriptor)
	}
	if !descriptor.MediaType.IsIndex() {
		return fmt.Errorf("manifest %s has the type %q", descriptor.Digest, descriptor.MediaType)
	}
	if depth > maxNestedIndexes {
		return fmt.Errorf("indexes lie more than %d deep", maxNestedIndexes)
	}
	var index v1.IndexManifest
	if err := readJSON(ctx, d.Source, descriptor, bundle.MaxManifestSize, &index); err != nil {
		return err
	}
	p := d.describe(at, descriptor, about{annotations: index.Annotations})
	id := d.add(p, hashOf(at.reference.Name(), at.tag, descriptor.Digest.Hex))
	d.link(at.parent, contains, id, "")
	for _, child := range index.Manifests {
		there := at.present == nil || slices.Contains(at.present, child.Digest)
		if !there || child.Platform != nil && child.Platform.OS == "unknown" {
			continue // an attestation is no software
		}
		below := place{reference: at.reference, tag: at.tag, parent: id, platform: child.Platform}
		if err := d.addManifest(ctx, below, child, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// addPlatform adds the image of one platform with its layers.
func (d *draft) addPlatform(ctx context.Context, at place, descriptor v1.Descriptor) error {
	var manifest v1.Manifest
	if err := readJSON(ctx, d.Source, descriptor, bundle.MaxManifestSize, &manifest); err != nil {
		return err
	}
	var config v1.ConfigFile
	if kind := manifest.Config.MediaType; kind == types.OCIConfigJSON || kind == types.DockerConfigJSON {
		if err := readJSON(ctx, d.Source, manifest.Config, bundle.MaxManifestSize, &config); err != nil {
			return err
		}
	}
	if platform := config.Platform(); at.platform == nil && platform != nil && platform.OS != "" {
		at.platform = platform
	}
	p := d.describe(at, descriptor, about{labels: config.Config.Labels, annotations: manifest.Annotations})
	id := d.add(p, hashOf(at.reference.Name(), at.tag, descriptor.Digest.Hex))
	d.link(at.parent, contains, id, "")
	history := historyOf(config, len(manifest.Layers))
	for i, layer := range manifest.Layers {
		comment := fmt.Sprintf("layer %d of %d", i+1, len(manifest.Layers))
		if history != nil {
			comment += line(": " + history[i])
		}
		d.link(id, contains, d.addLayer(layer), comment)
	}
	return d.addInstalled(ctx, id, manifest.Layers)
}

// addLayer adds a layer. What made it belongs to the image, since images that
// share a layer may tell it in other words.
func (d *draft) addLayer(layer v1.Descriptor) string {
	return d.add(Package{
		Name: layer.Digest.String(), SPDXID: identifier("layer", layer.Digest.Hex), Purpose: "ARCHIVE",
		Checksums: checksums(layer.Digest), Comment: fmt.Sprintf("%d bytes of %s", layer.Size, line(string(layer.MediaType))),
	}, layer.Digest.Hex)
}

// historyOf returns what made each layer, or nil if nobody can tell.
func historyOf(config v1.ConfigFile, layers int) []string {
	var made []string
	for _, step := range config.History {
		if !step.EmptyLayer {
			made = append(made, step.CreatedBy)
		}
	}
	if len(made) != layers {
		return nil
	}
	return made
}

// about is what an image says about itself.
type about struct{ labels, annotations map[string]string }

// get returns the value of a label, or annotation, that the OCI names.
func (a about) get(key string) string {
	key = "org.opencontainers.image." + key
	if value := a.labels[key]; value != "" {
		return line(value)
	}
	return line(a.annotations[key])
}

// describe returns the package of an image or index.
func (d *draft) describe(at place, descriptor v1.Descriptor, image about) Package {
	repository := at.reference.Context()
	full := strings.TrimPrefix(repository.Name(), "index.") // docker.io, as everybody calls it
	version := at.tag
	if label := image.get("version"); label != "" && (version == "" || version == "latest") {
		version = label
	}
	if version == "" {
		version = descriptor.Digest.String()
	}
	p := Package{
		Name: full, SPDXID: identifier("image", full, descriptor.Digest.Hex[:12]), VersionInfo: version,
		LicenseDeclared: license(image.get("licenses")), Purpose: "CONTAINER", Checksums: checksums(descriptor.Digest),
	}
	qualifiers := map[string]string{"repository_url": full, "tag": at.tag}
	if at.platform != nil {
		qualifiers["arch"] = line(at.platform.Architecture)
		p.Comment = "for " + line(at.platform.String())
	} else if descriptor.MediaType.IsIndex() {
		p.Comment = "index of several platforms"
	}
	if vendor := image.get("vendor"); vendor != "" {
		p.Supplier = "Organization: " + vendor
	}
	if source := image.get("source"); source != "" {
		p.SourceInfo = source
		if revision := image.get("revision"); revision != "" {
			p.SourceInfo += " at " + revision
		}
	}
	if home, err := url.Parse(image.get("url")); err == nil && home.Host != "" && (home.Scheme == "https" || home.Scheme == "http") {
		p.Homepage = home.String()
	}
	last := repository.RepositoryStr()[strings.LastIndex(repository.RepositoryStr(), "/")+1:]
	p.ExternalRefs = packageURL("oci", strings.ToLower(last), descriptor.Digest.String(), qualifiers)
	return p
}

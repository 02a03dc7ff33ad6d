// Package summary tells what is in a bundle, and how two of them differ, without
// reading more than manifests: the reports of `tele inspect` and `tele diff`.
package summary

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

// Of describes a bundle. It reads app.yaml, manifests and configurations, which
// takes milliseconds however large the bundle is; what it reads is checked, and
// the rest is for Verify.
func Of(ctx context.Context, b *bundle.Bundle) (*report.Bundle, error) {
	s := &summary{tree: newTree(b), users: make(map[v1.Hash]int)}
	described, err := s.of(ctx)
	if err != nil {
		return nil, fmt.Errorf("describe bundle: %w", err)
	}
	return described, nil
}

// summary is a description that is being made.
type summary struct {
	*tree
	// users counts the images, runtimes and others that need a blob.
	users map[v1.Hash]int
}

func (s *summary) of(ctx context.Context) (*report.Bundle, error) {
	index := s.bundle.Index()
	blobs := s.bundle.Blobs()
	described := &report.Bundle{
		Name: index.Name, Version: index.Version, Platform: index.Platform.String(),
		Digest: s.bundle.Digest().String(), Size: s.bundle.Size(),
		Blobs:   report.Blobs{Count: len(blobs), Size: sizes(blobs).sum()},
		Entries: entries(s.bundle), Signatures: signatures(s.bundle),
	}
	if err := addBases(s.bundle, described); err != nil {
		return nil, err
	}
	if err := s.addManifest(described); err != nil {
		return nil, err
	}
	if err := s.addContents(ctx, described); err != nil {
		return nil, err
	}
	var err error
	if described.Folder, err = s.folder(ctx); err != nil {
		return nil, err
	}
	described.SBOM, err = s.sbom(ctx)
	return described, err
}

// signatures lists the signers.
func signatures(b *bundle.Bundle) []report.Signature {
	listed := []report.Signature{}
	for _, one := range b.Signatures() {
		listed = append(listed, report.Signature{Key: one.Key.ID(), Algorithm: string(one.Key.Algorithm())})
	}
	return listed
}

// addBases adds what the bundle lacks.
func addBases(b *bundle.Bundle, described *report.Bundle) error {
	bases, err := b.Bases()
	if err != nil {
		return err
	}
	described.Bases = []report.Base{}
	for _, base := range bases {
		described.Bases = append(described.Bases, report.Base{
			Name: base.Name, Version: base.Version, Digest: base.Digest.String(),
			Blobs: report.Blobs{Count: len(base.Blobs), Size: base.Size()},
		})
	}
	return nil
}

// entries lists the files beside the blobs.
func entries(b *bundle.Bundle) []report.Entry {
	listed := []report.Entry{}
	for _, entry := range b.Entries() {
		listed = append(listed, report.Entry{
			Name: entry.Name, Mode: fmt.Sprintf("%04o", entry.Mode), Size: entry.Size, Digest: entry.Digest.String(),
		})
	}
	return listed
}

// addManifest adds what app.yaml says.
func (s *summary) addManifest(described *report.Bundle) error {
	content, err := s.bundle.Manifest()
	if err != nil {
		return err
	}
	parsed, _, err := manifest.Parse(bundle.NameManifest, bytes.NewReader(content))
	if err != nil {
		return err
	}
	described.Kind = string(parsed.Kind)
	described.Description = parsed.Metadata.Description
	described.Author = parsed.Metadata.Author
	described.Created = string(parsed.Metadata.CreatedTimestamp)
	described.Hooks = []string{}
	for name := range maps.Keys(parsed.Hooks) {
		described.Hooks = append(described.Hooks, string(name))
	}
	slices.Sort(described.Hooks)
	described.NodeProfiles = profiles(parsed)
	described.Flavors = flavors(parsed)
	return nil
}

func profiles(parsed *manifest.Manifest) []report.NodeProfile {
	listed := []report.NodeProfile{}
	for _, profile := range parsed.NodeProfiles {
		described := report.NodeProfile{
			Name: profile.Name, Description: profile.Description, MinCPUs: profile.Requirements.CPU.Min,
		}
		if least := profile.Requirements.RAM.Min; least > 0 {
			described.MinRAM = least.String()
		}
		listed = append(listed, described)
	}
	return listed
}

func flavors(parsed *manifest.Manifest) []report.Flavor {
	listed := []report.Flavor{}
	if parsed.Installer.Flavors == nil {
		return listed
	}
	for _, flavor := range parsed.Installer.Flavors.Items {
		described := report.Flavor{Name: flavor.Name, Description: flavor.Description, Nodes: []report.FlavorNodes{}}
		for _, nodes := range flavor.Nodes {
			described.Nodes = append(described.Nodes, report.FlavorNodes(nodes))
		}
		listed = append(listed, described)
	}
	return listed
}

// addContents adds runtimes and images with their sizes. What is unique to one
// is known when all were counted.
func (s *summary) addContents(ctx context.Context, described *report.Bundle) error {
	index := s.bundle.Index()
	var below []sizes
	count := func(owner string, descriptor v1.Descriptor, present []v1.Hash) error {
		found, err := s.blobs(ctx, descriptor, present)
		if err != nil {
			return fmt.Errorf("%s: %w", owner, err)
		}
		for digest := range found {
			s.users[digest]++
		}
		below = append(below, found)
		return nil
	}
	for _, listed := range index.Runtimes {
		if err := count("runtime "+listed.Version, listed.Stored(), nil); err != nil {
			return err
		}
	}
	for _, image := range index.Images {
		if err := count("image "+image.Reference, image.Descriptor, image.Present); err != nil {
			return err
		}
	}
	described.Runtimes = []report.Runtime{}
	for i, listed := range index.Runtimes {
		described.Runtimes = append(described.Runtimes, report.Runtime{
			Version: listed.Version, Embedded: listed.Embedded, Digest: listed.Descriptor.Digest.String(),
			Size: below[i].sum(), UniqueSize: s.unique(below[i]), Packed: listed.Packed != nil,
		})
	}
	all := sizes{}
	described.Images = []report.Image{}
	for i, image := range index.Images {
		found := below[len(index.Runtimes)+i]
		all.union(found)
		platforms, err := s.platforms(ctx, image)
		if err != nil {
			return fmt.Errorf("image %s: %w", image.Reference, err)
		}
		described.Images = append(described.Images, report.Image{
			Reference: image.Reference, Digest: image.Descriptor.Digest.String(), Sparse: image.Sparse(),
			Platforms: platforms, Size: found.sum(), UniqueSize: s.unique(found),
		})
	}
	described.ImagesSize = all.sum()
	return nil
}

// unique is the size of the blobs that nothing else needs.
func (s *summary) unique(found sizes) int64 {
	var sum int64
	for digest, size := range found {
		if s.users[digest] == 1 {
			sum += size
		}
	}
	return sum
}

// platforms lists the images of an image's index, or the one that it is.
func (s *summary) platforms(ctx context.Context, image bundle.Image) ([]report.Platform, error) {
	manifests := []v1.Descriptor{image.Descriptor}
	if image.Descriptor.MediaType.IsIndex() {
		index, err := s.document(ctx, image.Descriptor.Digest)
		if err != nil {
			return nil, err
		}
		manifests = index.Manifests
		if image.Sparse() {
			manifests = only(manifests, image.Present)
		}
	}
	listed := []report.Platform{}
	for _, one := range manifests {
		name, err := s.platform(ctx, one)
		if err != nil {
			return nil, err
		}
		found, err := s.blobs(ctx, one, nil)
		if err != nil {
			return nil, err
		}
		listed = append(listed, report.Platform{Name: name, Digest: one.Digest.String(), Size: found.sum()})
	}
	return listed, nil
}

// platform is what the descriptor of a manifest says, or else its
// configuration.
func (s *summary) platform(ctx context.Context, of v1.Descriptor) (string, error) {
	if of.Platform != nil {
		return of.Platform.String(), nil
	}
	if !of.MediaType.IsImage() {
		return "unknown", nil
	}
	read, err := s.document(ctx, of.Digest)
	if err != nil {
		return "", err
	}
	if read.Config == nil || !read.Config.MediaType.IsConfig() {
		return "unknown", nil
	}
	content, err := s.bundle.ReadManifest(ctx, read.Config.Digest)
	if err != nil {
		return "", err
	}
	var config v1.ConfigFile
	if err := json.Unmarshal(content, &config); err != nil {
		return "", fmt.Errorf("configuration %s: %w", read.Config.Digest, err)
	}
	return config.Platform().String(), nil
}

// sbom is the document in the artifact of the bill of materials, if there is
// one.
func (s *summary) sbom(ctx context.Context) (*report.Blob, error) {
	artifact := s.bundle.Index().SBOM
	if artifact == nil {
		return nil, nil
	}
	read, err := s.document(ctx, artifact.Digest)
	if err != nil {
		return nil, fmt.Errorf("bill of materials: %w", err)
	}
	if len(read.Layers) == 0 {
		return nil, errors.New("bill of materials: the artifact has no document")
	}
	return &report.Blob{Digest: read.Layers[0].Digest.String(), Size: read.Layers[0].Size}, nil
}

// folder is the application's folder, if the bundle has it.
func (s *summary) folder(ctx context.Context) (*report.Blob, error) {
	layer, err := s.folderLayer(ctx)
	if err != nil || layer == nil {
		return nil, err
	}
	return &report.Blob{Digest: layer.Digest.String(), Size: layer.Size}, nil
}

// folderLayer is the layer with the application's folder, or nil.
func (t *tree) folderLayer(ctx context.Context) (*v1.Descriptor, error) {
	artifact, err := t.document(ctx, t.bundle.Index().Application.Digest)
	if err != nil {
		return nil, fmt.Errorf("application: %w", err)
	}
	if len(artifact.Layers) < 2 {
		return nil, nil
	}
	return &artifact.Layers[1], nil
}

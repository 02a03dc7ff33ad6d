package recipe

import (
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// annotationTarSize is the uncompressed size of a layer in bytes, on its
// descriptor, so that a site can check its space before it unpacks.
const annotationTarSize = "dev.gravity.uncompressed"

// containerdName is the annotation from which containerd takes an image's name
// when it imports a layout.
const containerdName = "io.containerd.image.name"

var platform = v1.Platform{OS: "linux", Architecture: "amd64"}

// image is an image to assemble from layers.
type image struct {
	name       string // full reference
	role       string
	layers     []layer
	entrypoint []string
	user       string
	workdir    string
	version    string // of the program inside
	title      string
}

// putImage stores config and manifest and returns the manifest's descriptor,
// with the annotations that name it.
func (b *builder) putImage(i image) (v1.Descriptor, error) {
	created := v1.Time{Time: b.catalogue.SourceDate}
	labels := map[string]string{
		"org.opencontainers.image.title":   i.title,
		"org.opencontainers.image.version": i.version,
	}
	config := v1.ConfigFile{
		OS: platform.OS, Architecture: platform.Architecture, Created: created,
		Config: v1.Config{
			Env:        []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
			Entrypoint: i.entrypoint, User: i.user, WorkingDir: i.workdir, Labels: labels,
		},
		RootFS: v1.RootFS{Type: "layers"},
	}
	manifest := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Annotations: labels}
	for _, made := range i.layers {
		diffID, err := v1.NewHash(made.DiffID)
		if err != nil {
			return v1.Descriptor{}, err
		}
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, diffID)
		config.History = append(config.History, v1.History{Created: created, CreatedBy: "gravity runtime recipe", Comment: made.Name + ": " + made.Components})
		descriptor, err := b.layout.putLayer(made)
		if err != nil {
			return v1.Descriptor{}, err
		}
		descriptor.Annotations[annotationTarSize] = fmt.Sprint(made.TarSize)
		manifest.Layers = append(manifest.Layers, descriptor)
	}
	var err error
	if manifest.Config, err = b.layout.putJSON(types.OCIConfigJSON, config); err != nil {
		return v1.Descriptor{}, err
	}
	descriptor, err := b.layout.putJSON(types.OCIManifestSchema1, manifest)
	if err != nil {
		return v1.Descriptor{}, err
	}
	descriptor.Platform = &platform
	descriptor.Annotations = map[string]string{
		refName: i.name, containerdName: i.name, runtime.AnnotationRole: i.role,
		"org.opencontainers.image.version": i.version,
	}
	return descriptor, nil
}

// putDocument stores a document as an artifact: a manifest with an empty
// config and the document as its only layer.
func (b *builder) putDocument(mediaType types.MediaType, role, title string, content []byte) (v1.Descriptor, error) {
	empty, err := b.layout.putBytes("application/vnd.oci.empty.v1+json", []byte("{}"))
	if err != nil {
		return v1.Descriptor{}, err
	}
	document, err := b.layout.putBytes(mediaType, content)
	if err != nil {
		return v1.Descriptor{}, err
	}
	document.Annotations = map[string]string{"org.opencontainers.image.title": title}
	descriptor, err := b.layout.putJSON(types.OCIManifestSchema1, struct {
		SchemaVersion int             `json:"schemaVersion"`
		MediaType     types.MediaType `json:"mediaType"`
		ArtifactType  types.MediaType `json:"artifactType"`
		Config        v1.Descriptor   `json:"config"`
		Layers        []v1.Descriptor `json:"layers"`
	}{2, types.OCIManifestSchema1, mediaType, empty, []v1.Descriptor{document}})
	if err != nil {
		return v1.Descriptor{}, err
	}
	descriptor.ArtifactType = string(mediaType)
	descriptor.Annotations = map[string]string{runtime.AnnotationRole: role}
	return descriptor, nil
}

func sortDescriptors(descriptors []v1.Descriptor) {
	slices.SortFunc(descriptors, func(a, b v1.Descriptor) int {
		if order := strings.Compare(a.Annotations[refName], b.Annotations[refName]); order != 0 {
			return order
		}
		return strings.Compare(a.Digest.String(), b.Digest.String())
	})
}

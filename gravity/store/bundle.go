package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// ClusterRegistry is the host by which applications refer to the cluster's own
// registry (S67); references to it are looked up without their original host.
const ClusterRegistry = "leader.telekube.local:5000"

// clusterAlias is what later releases of the original called that registry.
const clusterAlias = "registry.local:5000"

// ClusterName is a complete reference by the name that the store has for it: the
// cluster's own registry has two.
func ClusterName(reference string) string {
	if path, ok := strings.CutPrefix(reference, clusterAlias+"/"); ok {
		return ClusterRegistry + "/" + path
	}
	return reference
}

const annotationName = "org.opencontainers.image.ref.name"

// RuntimeImages lists what a node of a runtime needs: the runtime's artifact,
// its master container and the images of its components.
func RuntimeImages(ctx context.Context, b *bundle.Bundle, version string) ([]Image, error) {
	for _, listed := range b.Index().Runtimes {
		if listed.Version != version {
			continue
		}
		content, err := b.ReadManifest(ctx, listed.Descriptor.Digest)
		if err != nil {
			return nil, err
		}
		var index v1.IndexManifest
		if err := json.Unmarshal(content, &index); err != nil {
			return nil, fmt.Errorf("runtime %s: %w", version, err)
		}
		images := []Image{{Name: runtime.Reference(version), Descriptor: listed.Descriptor}}
		for _, manifest := range index.Manifests {
			if name := manifest.Annotations[annotationName]; name != "" {
				images = append(images, Image{Name: name, Descriptor: manifest})
			}
		}
		return images, nil
	}
	return nil, fmt.Errorf("the bundle has no runtime %s", version)
}

// ApplicationImages lists the application's artifact, its bill of materials if
// there is one, and its images by their own names and, where only one image can
// be meant, as the cluster's registry.
func ApplicationImages(b *bundle.Bundle) []Image {
	index := b.Index()
	images := []Image{{Name: index.Reference(), Descriptor: index.Application}}
	if index.SBOM != nil {
		name := strings.Replace(index.Reference(), "/app/", "/sbom/", 1)
		images = append(images, Image{Name: name, Descriptor: *index.SBOM})
	}
	short := make(map[string][]Image)
	for _, image := range index.Images {
		listed := Image{Name: image.Reference, Descriptor: image.Descriptor, Present: image.Present}
		images = append(images, listed)
		if _, path, ok := strings.Cut(image.Reference, "/"); ok {
			listed.Name = ClusterRegistry + "/" + path
			short[path] = append(short[path], listed)
		}
	}
	for _, found := range short {
		if len(found) == 1 {
			images = append(images, found[0])
		}
	}
	return images
}

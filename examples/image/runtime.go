package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/Masterminds/semver/v3"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// sharedLayers are the layers that the images take from the runtime: the C
// library, then Debian with a shell, then etcd with its client.
var sharedLayers = []string{"base", "system", "etcd"}

// runtimeLayers are layers of the newest runtime of a layout.
type runtimeLayers struct {
	folder  string
	version string
	etcd    string // its version
	layers  map[string]layer
}

// layer is a layer with what an image says of it.
type layer struct {
	descriptor v1.Descriptor
	diffID     v1.Hash
	path       string // the blob
}

// openRuntime finds the newest runtime.
func openRuntime(folder string) (*runtimeLayers, error) {
	r := &runtimeLayers{folder: folder, layers: make(map[string]layer)}
	content, err := os.ReadFile(filepath.Join(folder, "index.json"))
	if err != nil {
		return nil, hintRuntimes(fmt.Errorf("open the runtimes: %w", err))
	}
	var top v1.IndexManifest
	if err := json.Unmarshal(content, &top); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(folder, "index.json"), err)
	}
	var newest *semver.Version
	var found v1.Descriptor
	for _, descriptor := range top.Manifests {
		version, err := semver.StrictNewVersion(descriptor.Annotations[runtime.AnnotationVersion])
		if err == nil && (newest == nil || newest.LessThan(version)) {
			newest, found = version, descriptor
		}
	}
	if newest == nil {
		return nil, hintRuntimes(fmt.Errorf("%s has no runtime", folder))
	}
	r.version = newest.String()
	if err := r.readLayers(found); err != nil {
		return nil, hintRuntimes(fmt.Errorf("runtime %s in %s: %w", r.version, folder, err))
	}
	return r, nil
}

// readLayers collects the shared layers from the master container's image.
func (r *runtimeLayers) readLayers(descriptor v1.Descriptor) error {
	var index v1.IndexManifest
	if err := r.readJSON(descriptor.Digest, &index); err != nil {
		return err
	}
	for _, child := range index.Manifests {
		switch child.Annotations[runtime.AnnotationRole] {
		case runtime.RoleMaster:
			if err := r.readImage(child); err != nil {
				return err
			}
		case runtime.RoleRelease:
			if err := r.readRelease(child); err != nil {
				return err
			}
		}
	}
	for _, name := range sharedLayers {
		shared, ok := r.layers[name]
		if !ok {
			return fmt.Errorf("layer %s is missing", name)
		}
		info, err := os.Stat(shared.path)
		if err != nil || info.Size() != shared.descriptor.Size {
			return fmt.Errorf("layer %s is not complete: %w", name, errors.Join(err, errors.New(shared.path)))
		}
	}
	if r.etcd == "" {
		return errors.New("it does not tell its version of etcd")
	}
	return nil
}

func (r *runtimeLayers) readImage(descriptor v1.Descriptor) error {
	var manifest v1.Manifest
	if err := r.readJSON(descriptor.Digest, &manifest); err != nil {
		return err
	}
	var config v1.ConfigFile
	if err := r.readJSON(manifest.Config.Digest, &config); err != nil {
		return err
	}
	if len(config.RootFS.DiffIDs) != len(manifest.Layers) {
		return fmt.Errorf("image %s has %d layers and %d diff ids", descriptor.Digest, len(manifest.Layers), len(config.RootFS.DiffIDs))
	}
	for i, found := range manifest.Layers {
		name := found.Annotations[runtime.AnnotationLayer]
		if slices.Contains(sharedLayers, name) {
			r.layers[name] = layer{descriptor: found, diffID: config.RootFS.DiffIDs[i], path: r.blobPath(found.Digest)}
		}
	}
	return nil
}

func (r *runtimeLayers) readRelease(descriptor v1.Descriptor) error {
	var manifest v1.Manifest
	if err := r.readJSON(descriptor.Digest, &manifest); err != nil {
		return err
	}
	if len(manifest.Layers) != 1 {
		return errors.New("the catalogue entry is not one document")
	}
	var release runtime.ReleaseDocument
	if err := r.readJSON(manifest.Layers[0].Digest, &release); err != nil {
		return err
	}
	r.etcd = release.Components["etcd"]
	return nil
}

// names are the digests of the layers, by name.
func (r *runtimeLayers) names() map[string]string {
	names := make(map[string]string)
	for name, shared := range r.layers {
		names[name] = shared.descriptor.Digest.String()
	}
	return names
}

func (r *runtimeLayers) blobPath(digest v1.Hash) string {
	return filepath.Join(r.folder, "blobs", digest.Algorithm, digest.Hex)
}

// maxDocument bounds what is read into memory.
const maxDocument = 4 << 20

func (r *runtimeLayers) readJSON(digest v1.Hash, value any) error {
	return readJSON(r.blobPath(digest), value)
}

func readJSON(path string, value any) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() > maxDocument {
		return fmt.Errorf("%s is no document: it has %d bytes", path, info.Size())
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, value); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

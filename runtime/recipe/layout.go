package recipe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/renameio/v2"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// refName is the annotation by which tools find a manifest in a layout.
const refName = "org.opencontainers.image.ref.name"

// layout is an OCI image layout. index.json lists every runtime and, so that
// any tool can copy them one by one, every image by its name.
type layout struct {
	folder string
	index  v1.IndexManifest
}

// openLayout opens a layout or makes an empty one. One that somebody else wrote
// is an error: what belongs to no runtime would be removed from it.
func openLayout(folder string) (*layout, error) {
	l := &layout{folder: folder}
	if err := os.MkdirAll(filepath.Join(folder, "blobs", "sha256"), 0o755); err != nil {
		return nil, fmt.Errorf("layout: %w", err)
	}
	marker := filepath.Join(folder, "oci-layout")
	if _, err := os.Stat(marker); errors.Is(err, os.ErrNotExist) {
		if err := renameio.WriteFile(marker, []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644); err != nil {
			return nil, fmt.Errorf("layout: %w", err)
		}
	}
	content, err := os.ReadFile(filepath.Join(folder, "index.json"))
	if errors.Is(err, os.ErrNotExist) {
		l.index = v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{}}
		return l, nil
	}
	if err != nil {
		return nil, fmt.Errorf("layout: %w", err)
	}
	if err := json.Unmarshal(content, &l.index); err != nil {
		err = fmt.Errorf("layout: %s: %w", filepath.Join(folder, "index.json"), err)
		return nil, cli.WithHint(err, "remove the folder; what it had is put together again from the cache")
	}
	return l, l.checkOwn()
}

// checkOwn wants everything in the layout to come from the recipe.
func (l *layout) checkOwn() error {
	for _, descriptor := range l.index.Manifests {
		if descriptor.Annotations[runtime.AnnotationRole] == "" && descriptor.Annotations[runtime.AnnotationVersion] == "" {
			err := fmt.Errorf("layout: %s has %s %q, which is of no runtime", l.folder, descriptor.Digest, descriptor.Annotations[refName])
			return cli.WithHint(err, "name a folder that only the recipe writes with --layout")
		}
	}
	return nil
}

func (l *layout) blobPath(digest v1.Hash) string {
	return filepath.Join(l.folder, "blobs", digest.Algorithm, digest.Hex)
}

// find returns the descriptor of a name.
func (l *layout) find(name string) (v1.Descriptor, bool) {
	for _, descriptor := range l.index.Manifests {
		if descriptor.Annotations[refName] == name {
			return descriptor, true
		}
	}
	return v1.Descriptor{}, false
}

// isCurrent tells whether the layout has a runtime that was built from the
// given sources, with all its blobs.
func (l *layout) isCurrent(version, recipe string) bool {
	descriptor, ok := l.find(runtime.Reference(version))
	if !ok || descriptor.Annotations[runtime.AnnotationRecipe] != recipe {
		return false
	}
	reachable, err := l.reachable(descriptor)
	if err != nil {
		return false
	}
	for digest, size := range reachable {
		info, err := os.Stat(l.blobPath(digest))
		if err != nil || info.Size() != size {
			return false
		}
	}
	return true
}

// putJSON stores a manifest or document and returns its descriptor.
func (l *layout) putJSON(mediaType types.MediaType, value any) (v1.Descriptor, error) {
	content, err := json.Marshal(value)
	if err != nil {
		return v1.Descriptor{}, err
	}
	return l.putBytes(mediaType, content)
}

func (l *layout) putBytes(mediaType types.MediaType, content []byte) (v1.Descriptor, error) {
	digest, size, err := v1.SHA256(bytes.NewReader(content))
	if err != nil {
		return v1.Descriptor{}, err
	}
	if err := renameio.WriteFile(l.blobPath(digest), content, 0o644); err != nil {
		return v1.Descriptor{}, fmt.Errorf("layout: %w", err)
	}
	return v1.Descriptor{MediaType: mediaType, Digest: digest, Size: size}, nil
}

// putLayer brings a layer of the cache into the layout: as another name of the
// same file where that is possible, as a copy elsewhere.
func (l *layout) putLayer(made layer) (v1.Descriptor, error) {
	digest, err := v1.NewHash(made.Digest)
	if err != nil {
		return v1.Descriptor{}, err
	}
	descriptor := v1.Descriptor{
		MediaType: layerMediaType, Digest: digest, Size: made.Size,
		Annotations: map[string]string{runtime.AnnotationLayer: made.Name, runtime.AnnotationComponents: made.Components},
	}
	target := l.blobPath(digest)
	if info, err := os.Stat(target); err == nil && info.Size() == made.Size {
		return descriptor, nil
	}
	_ = os.Remove(target) // cut short by a full disk, say
	if err := os.Link(made.path, target); err == nil {
		return descriptor, nil
	}
	return descriptor, copyFile(made.path, target)
}

func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	target, err := renameio.NewPendingFile(to, renameio.WithPermissions(0o644))
	if err != nil {
		return err
	}
	defer func() { _ = target.Cleanup() }()
	if _, err := io.Copy(target, source); err != nil {
		return err
	}
	return target.CloseAtomicallyReplace()
}

// set names descriptors in index.json, replacing those of the same names, in
// one step. It returns when that survives a power cut.
func (l *layout) set(descriptors []v1.Descriptor) error {
	replaced := make(map[string]bool)
	for _, descriptor := range descriptors {
		replaced[descriptor.Annotations[refName]] = true
	}
	var manifests []v1.Descriptor
	for _, old := range l.index.Manifests {
		if !replaced[old.Annotations[refName]] {
			manifests = append(manifests, old)
		}
	}
	manifests = append(manifests, descriptors...)
	sortDescriptors(manifests)
	l.index.Manifests = manifests
	content, err := json.MarshalIndent(l.index, "", "  ")
	if err != nil {
		return err
	}
	// The names of the blobs before the index that needs them; the index before
	// anything that only the old one needs is removed.
	if err := syncPath(filepath.Join(l.folder, "blobs", "sha256")); err != nil {
		return fmt.Errorf("layout: %w", err)
	}
	if err := renameio.WriteFile(filepath.Join(l.folder, "index.json"), content, 0o644); err != nil {
		return fmt.Errorf("layout: %w", err)
	}
	if err := syncPath(l.folder); err != nil {
		return fmt.Errorf("layout: %w", err)
	}
	return nil
}

// checkNames makes sure that the images of a runtime are those that the layout
// has under their names. Runtimes that share a name must share the image, or
// a site that has both would run one of them with the other's.
func (l *layout) checkNames(version string) error {
	descriptor, ok := l.find(runtime.Reference(version))
	if !ok {
		return fmt.Errorf("layout: runtime %s is missing", version)
	}
	var index v1.IndexManifest
	if err := l.readJSON(descriptor.Digest, &index); err != nil {
		return err
	}
	for _, child := range index.Manifests {
		name := child.Annotations[refName]
		if name == "" {
			continue
		}
		if named, ok := l.find(name); !ok || named.Digest != child.Digest {
			return fmt.Errorf("layout: %s of runtime %s is not what the layout calls so: runtimes differ in an image that they share", name, version)
		}
	}
	return nil
}

// reachable lists the blobs of a descriptor and all below it, with sizes.
func (l *layout) reachable(descriptor v1.Descriptor) (map[v1.Hash]int64, error) {
	found := map[v1.Hash]int64{descriptor.Digest: descriptor.Size}
	if !descriptor.MediaType.IsIndex() && !descriptor.MediaType.IsImage() {
		return found, nil
	}
	var manifest struct {
		Manifests []v1.Descriptor `json:"manifests"`
		Config    *v1.Descriptor  `json:"config"`
		Layers    []v1.Descriptor `json:"layers"`
	}
	if err := l.readJSON(descriptor.Digest, &manifest); err != nil {
		return nil, err
	}
	children := append(manifest.Manifests, manifest.Layers...)
	if manifest.Config != nil {
		children = append(children, *manifest.Config)
	}
	for _, child := range children {
		below, err := l.reachable(child)
		if err != nil {
			return nil, err
		}
		maps.Copy(found, below)
	}
	return found, nil
}

func (l *layout) readJSON(digest v1.Hash, value any) error {
	content, err := os.ReadFile(l.blobPath(digest))
	if err != nil {
		return fmt.Errorf("layout: %w", err)
	}
	if err := json.Unmarshal(content, value); err != nil {
		return fmt.Errorf("layout: blob %s: %w", digest, err)
	}
	return nil
}

// collectGarbage removes blobs that nothing names any more, and images that
// belong to no runtime.
func (l *layout) collectGarbage() error {
	inRuntime := make(map[v1.Hash]bool)
	for _, descriptor := range l.index.Manifests {
		if descriptor.Annotations[runtime.AnnotationVersion] == "" {
			continue
		}
		blobs, err := l.reachable(descriptor)
		if err != nil {
			return err
		}
		for digest := range blobs {
			inRuntime[digest] = true
		}
	}
	var kept []v1.Descriptor
	for _, descriptor := range l.index.Manifests {
		if inRuntime[descriptor.Digest] {
			kept = append(kept, descriptor)
		}
	}
	if len(kept) != len(l.index.Manifests) {
		l.index.Manifests = nil
		if err := l.set(kept); err != nil {
			return err
		}
	}
	folder := filepath.Join(l.folder, "blobs", "sha256")
	entries, err := os.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("layout: %w", err)
	}
	for _, entry := range entries {
		if !inRuntime[v1.Hash{Algorithm: "sha256", Hex: entry.Name()}] {
			if err := os.Remove(filepath.Join(folder, entry.Name())); err != nil {
				return fmt.Errorf("layout: %w", err)
			}
		}
	}
	return nil
}

// reportRuntime describes a runtime of the layout. Blobs in seen count as
// already there; those of this runtime are added to it.
func (l *layout) reportRuntime(version string, seen map[string]bool) (RuntimeReport, error) {
	descriptor, ok := l.find(runtime.Reference(version))
	if !ok {
		return RuntimeReport{}, fmt.Errorf("layout: runtime %s is missing", version)
	}
	report := RuntimeReport{Version: version, Digest: descriptor.Digest.String()}
	blobs, err := l.reachable(descriptor)
	if err != nil {
		return RuntimeReport{}, err
	}
	for digest, size := range blobs {
		report.Bytes += size
		if !seen[digest.String()] {
			seen[digest.String()] = true
			report.AddedBytes += size
		}
	}
	report.Layers, err = l.layerReports(descriptor)
	return report, err
}

// layerReports lists the layers of a runtime's images once each, in the order
// of the master container, then those of other images.
func (l *layout) layerReports(descriptor v1.Descriptor) ([]LayerReport, error) {
	var index v1.IndexManifest
	if err := l.readJSON(descriptor.Digest, &index); err != nil {
		return nil, err
	}
	var layers []v1.Descriptor
	for _, role := range []string{runtime.RoleMaster, runtime.RoleImage} {
		for _, child := range index.Manifests {
			if child.Annotations[runtime.AnnotationRole] != role {
				continue
			}
			var manifest v1.Manifest
			if err := l.readJSON(child.Digest, &manifest); err != nil {
				return nil, err
			}
			layers = append(layers, manifest.Layers...)
		}
	}
	var reports []LayerReport
	seen := make(map[v1.Hash]bool)
	for _, made := range layers {
		if seen[made.Digest] {
			continue
		}
		seen[made.Digest] = true
		size, err := strconv.ParseInt(made.Annotations[annotationTarSize], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("layout: layer %s does not tell its size: %w", made.Digest, err)
		}
		reports = append(reports, LayerReport{
			Name: made.Annotations[runtime.AnnotationLayer], Components: strings.ReplaceAll(made.Annotations[runtime.AnnotationComponents], ",", ", "),
			Bytes: made.Size, UncompressedBytes: size,
		})
	}
	return reports, nil
}

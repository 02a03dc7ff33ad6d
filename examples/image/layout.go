package image

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/renameio/v2"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// Annotations by which tools and containerd find an image in a layout.
const (
	refName        = "org.opencontainers.image.ref.name"
	containerdName = "io.containerd.image.name"
)

// layout is the OCI image layout of the images. Whatever index.json names is
// complete: it is written last.
type layout struct {
	folder string
	index  v1.IndexManifest
}

func openLayout(folder string) (*layout, error) {
	l := &layout{folder: folder}
	if err := os.MkdirAll(l.blobs(), 0o755); err != nil {
		return nil, fmt.Errorf("layout: %w", err)
	}
	if err := renameio.WriteFile(filepath.Join(folder, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644); err != nil {
		return nil, fmt.Errorf("layout: %w", err)
	}
	err := readJSON(filepath.Join(folder, "index.json"), &l.index)
	if errors.Is(err, os.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, cli.WithHint(fmt.Errorf("layout: %w", err), "remove the folder; its images are built again")
	}
	for _, descriptor := range l.index.Manifests {
		if descriptor.Annotations[runtime.AnnotationRecipe] == "" || descriptor.Annotations[runtime.AnnotationVersion] != "" {
			err := fmt.Errorf("layout: %s has %s, which is no image of the example", folder, descriptor.Annotations[refName])
			return nil, cli.WithHint(err, "name a folder that only the example's images are written to with --layout")
		}
	}
	return l, nil
}

func (l *layout) blobs() string { return filepath.Join(l.folder, "blobs", "sha256") }

func (l *layout) blobPath(digest v1.Hash) string { return filepath.Join(l.blobs(), digest.Hex) }

// isCurrent tells whether all images were built from what the key stands for,
// and are there.
func (l *layout) isCurrent(key string) bool {
	if len(l.index.Manifests) == 0 {
		return false
	}
	for _, descriptor := range l.index.Manifests {
		if descriptor.Annotations[runtime.AnnotationRecipe] != key {
			return false
		}
		blobs, err := l.reachable(descriptor)
		if err != nil {
			return false
		}
		for digest, size := range blobs {
			if info, err := os.Stat(l.blobPath(digest)); err != nil || info.Size() != size {
				return false
			}
		}
	}
	return true
}

// reachable lists the blobs of an image with their sizes.
func (l *layout) reachable(descriptor v1.Descriptor) (map[v1.Hash]int64, error) {
	var manifest v1.Manifest
	if err := readJSON(l.blobPath(descriptor.Digest), &manifest); err != nil {
		return nil, fmt.Errorf("layout: %w", err)
	}
	blobs := map[v1.Hash]int64{descriptor.Digest: descriptor.Size, manifest.Config.Digest: manifest.Config.Size}
	for _, layer := range manifest.Layers {
		blobs[layer.Digest] = layer.Size
	}
	return blobs, nil
}

func (l *layout) images() ([]Named, error) {
	var images []Named
	for _, descriptor := range l.index.Manifests {
		blobs, err := l.reachable(descriptor)
		if err != nil {
			return nil, err
		}
		image := Named{Name: descriptor.Annotations[refName], Digest: descriptor.Digest.String()}
		for _, size := range blobs {
			image.Bytes += size
		}
		images = append(images, image)
	}
	return images, nil
}

func (l *layout) putJSON(mediaType types.MediaType, value any) (v1.Descriptor, error) {
	content, err := json.Marshal(value)
	if err != nil {
		return v1.Descriptor{}, err
	}
	digest, size, err := v1.SHA256(bytes.NewReader(content))
	if err != nil {
		return v1.Descriptor{}, err
	}
	if err := renameio.WriteFile(l.blobPath(digest), content, 0o644); err != nil {
		return v1.Descriptor{}, err
	}
	return v1.Descriptor{MediaType: mediaType, Digest: digest, Size: size}, nil
}

// putLayer brings a blob into the layout: as another name of the same file
// where that is possible, as a copy elsewhere.
func (l *layout) putLayer(from layer) error {
	target := l.blobPath(from.descriptor.Digest)
	if info, err := os.Stat(target); err == nil && info.Size() == from.descriptor.Size {
		return nil
	}
	_ = os.Remove(target) // cut short by a full disk, say
	if syncPath(from.path) == nil && os.Link(from.path, target) == nil {
		return nil
	}
	source, err := os.Open(from.path)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	file, err := renameio.NewPendingFile(target, renameio.WithPermissions(0o644))
	if err != nil {
		return err
	}
	defer func() { _ = file.Cleanup() }()
	hash, size, err := v1.SHA256(io.TeeReader(source, file))
	if err != nil {
		return err
	}
	if hash != from.descriptor.Digest || size != from.descriptor.Size {
		return hintRuntimes(fmt.Errorf("%s is damaged: it has digest %s", from.path, hash))
	}
	return file.CloseAtomicallyReplace()
}

// set makes index.json name these images and nothing else, then removes what
// no image needs any more.
func (l *layout) set(manifests []v1.Descriptor) error {
	l.index = v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: manifests}
	content, err := json.MarshalIndent(l.index, "", "  ")
	if err != nil {
		return err
	}
	// The names of blobs before the index that needs them, the index before
	// anything that only the old one needs is removed.
	if err := syncPath(l.blobs()); err != nil {
		return fmt.Errorf("layout: %w", err)
	}
	if err := renameio.WriteFile(filepath.Join(l.folder, "index.json"), content, 0o644); err != nil {
		return fmt.Errorf("layout: %w", err)
	}
	if err := syncPath(l.folder); err != nil {
		return fmt.Errorf("layout: %w", err)
	}
	needed := make(map[string]bool)
	for _, descriptor := range manifests {
		blobs, err := l.reachable(descriptor)
		if err != nil {
			return err
		}
		for digest := range blobs {
			needed[digest.Hex] = true
		}
	}
	entries, err := os.ReadDir(l.blobs())
	if err != nil {
		return fmt.Errorf("layout: %w", err)
	}
	for _, entry := range entries {
		if !needed[entry.Name()] {
			if err := os.Remove(filepath.Join(l.blobs(), entry.Name())); err != nil {
				return fmt.Errorf("layout: %w", err)
			}
		}
	}
	return nil
}

func syncPath(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	return file.Sync()
}

func hashOf(sum hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}
}

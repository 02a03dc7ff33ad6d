package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/layer"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/store"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

const annotationUncompressed = "dev.gravity.uncompressed"

// Unpack makes the root file system of a runtime in a folder, from the image of
// its master container in the package store. The folder appears when it is
// complete and on disk; if it is there already, nothing is done.
func Unpack(ctx context.Context, from *store.Store, version, rootfs string) error {
	if _, err := os.Stat(rootfs); err == nil {
		return nil
	}
	layers, err := masterLayers(ctx, from, version)
	if err != nil {
		return fmt.Errorf("unpack the master container of %s: %w", version, err)
	}
	partial := rootfs + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return err
	}
	if err := os.MkdirAll(partial, 0o755); err != nil {
		return err
	}
	if err := bundle.CheckSpace(partial, "the master container of "+version, unpackedSize(layers)); err != nil {
		return err
	}
	if err := extract(ctx, from, layers, partial); err != nil {
		return fmt.Errorf("unpack the master container of %s: %w", version, err)
	}
	if err := SyncFileSystem(partial); err != nil {
		return err
	}
	return os.Rename(partial, rootfs)
}

func masterLayers(ctx context.Context, from *store.Store, version string) ([]v1.Descriptor, error) {
	digest, err := from.Resolve(runtime.MasterReference(version))
	if err != nil {
		return nil, err
	}
	content, err := from.ReadManifest(ctx, digest)
	if err != nil {
		return nil, err
	}
	var manifest v1.Manifest
	if err := json.Unmarshal(content, &manifest); err != nil {
		return nil, err
	}
	if len(manifest.Layers) == 0 {
		return nil, errors.New("it has no layers")
	}
	return manifest.Layers, nil
}

func unpackedSize(layers []v1.Descriptor) (size int64) {
	for _, layer := range layers {
		if length, err := strconv.ParseInt(layer.Annotations[annotationUncompressed], 10, 64); err == nil && length > 0 {
			size += length
		} else {
			size += 4 * layer.Size
		}
	}
	return size
}

// extract writes layers into a folder.
func extract(ctx context.Context, from *store.Store, layers []v1.Descriptor, folder string) error {
	root, err := layer.Open(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, descriptor := range layers {
		blob, err := from.Open(ctx, descriptor.Digest)
		if err != nil {
			return err
		}
		if err := errors.Join(root.Extract(ctx, blob, string(descriptor.MediaType)), blob.Close()); err != nil {
			return fmt.Errorf("layer %s: %w", descriptor.Digest, err)
		}
	}
	return nil
}

package main

import (
	"context"
	"encoding/json"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
)

// createBased writes two versions of an application's bundle into a folder:
// old.tar, which is complete, and new.tar, which lacks what old.tar has.
func createBased(folder string) error {
	source := bundle.Memory{}
	layer := source.Add([]byte("the layer of both versions"))
	layer.MediaType = types.OCIUncompressedLayer
	config, err := addJSON(source, types.OCIConfigJSON, v1.ConfigFile{
		Architecture: "amd64", OS: "linux", RootFS: v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{layer.Digest}},
	})
	if err != nil {
		return err
	}
	image, err := addJSON(source, types.OCIManifestSchema1, v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: config, Layers: []v1.Descriptor{layer},
	})
	if err != nil {
		return err
	}
	contents := bundle.Contents{
		Name: "shop", Version: "1.0.0", Platform: v1.Platform{OS: "linux", Architecture: "amd64"}, Manifest: []byte(modest),
		Images: []bundle.Image{{Reference: "docker.io/library/web:1", Descriptor: image}}, Source: source,
	}
	old := filepath.Join(folder, "old.tar")
	if _, err := bundle.Write(context.Background(), old, contents, bundle.Options{}); err != nil {
		return err
	}
	base, err := bundle.Open(old)
	if err != nil {
		return err
	}
	defer base.Close()
	contents.Version, contents.Bases = "1.0.1", []*bundle.Bundle{base}
	_, err = bundle.Write(context.Background(), filepath.Join(folder, "new.tar"), contents, bundle.Options{})
	return err
}

func addJSON(source bundle.Memory, mediaType types.MediaType, value any) (v1.Descriptor, error) {
	content, err := json.Marshal(value)
	if err != nil {
		return v1.Descriptor{}, err
	}
	descriptor := source.Add(content)
	descriptor.MediaType = mediaType
	return descriptor, nil
}

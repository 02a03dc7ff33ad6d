package bundle_test

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// blobs makes images in memory, the same ones for the same seed.
type blobs struct {
	bundle.Memory
	random *rand.ChaCha8
}

func newBlobs(seed byte) *blobs {
	return &blobs{Memory: bundle.Memory{}, random: rand.NewChaCha8([32]byte{seed})}
}

// layer makes a layer of the given size.
func (b *blobs) layer(size int) v1.Descriptor {
	content := make([]byte, size)
	_, _ = b.random.Read(content)
	descriptor := b.Add(content)
	descriptor.MediaType = types.OCILayer
	return descriptor
}

// image makes an image of layers.
func (b *blobs) image(layers ...v1.Descriptor) v1.Descriptor {
	file := v1.ConfigFile{Architecture: "amd64", OS: "linux", RootFS: v1.RootFS{Type: "layers"}}
	for _, layer := range layers {
		file.RootFS.DiffIDs = append(file.RootFS.DiffIDs, layer.Digest)
	}
	config := b.json(types.OCIConfigJSON, file)
	return b.json(types.OCIManifestSchema1, v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: config, Layers: layers,
	})
}

// index makes an index of manifests.
func (b *blobs) index(artifactType string, manifests ...v1.Descriptor) v1.Descriptor {
	descriptor := b.json(types.OCIImageIndex, v1.IndexManifest{
		SchemaVersion: 2, MediaType: types.OCIImageIndex, ArtifactType: artifactType, Manifests: manifests,
	})
	descriptor.ArtifactType = artifactType
	return descriptor
}

func (b *blobs) json(mediaType types.MediaType, value any) v1.Descriptor {
	content, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	descriptor := b.Add(content)
	descriptor.MediaType = mediaType
	return descriptor
}

const manifestText = "apiVersion: bundle.gravitational.io/v2\nkind: Bundle\nmetadata:\n  name: shop\n"

var linux = v1.Platform{OS: "linux", Architecture: "amd64"}

// complete is a bundle with everything that one can have, of half a megabyte.
func complete() bundle.Contents {
	b := newBlobs(1)
	base := b.layer(40_000)
	arm := b.image(b.layer(3))
	amd := b.image(base, b.layer(5000))
	multi := b.index("", amd, arm)
	sparse := b.index("", b.image(base), v1.Descriptor{
		MediaType: types.OCIManifestSchema1, Size: 100, Digest: v1.Hash{Algorithm: "sha256", Hex: hexOf('e')},
	})
	var listed v1.IndexManifest
	_ = json.Unmarshal(b.Memory[sparse.Digest], &listed)
	program := b.Add([]byte("#!/bin/sh\necho \"gravity $*\"\n"))
	sbom := b.Add([]byte(`{"spdxVersion":"SPDX-2.3"}`))
	resources := b.layer(10_000)
	return bundle.Contents{
		Name: "shop", Version: "1.2.3+build.4", Platform: linux,
		Manifest:  []byte(manifestText),
		Resources: &v1.Descriptor{Digest: resources.Digest, Size: resources.Size},
		Images: []bundle.Image{
			{Reference: "quay.example/team/web:2.0", Descriptor: multi},
			{Reference: "docker.io/library/sparse:1", Descriptor: sparse, Present: []v1.Hash{listed.Manifests[0].Digest}},
			{Reference: "docker.io/library/nginx:1.27", Descriptor: b.image(base, b.layer(70_001))},
			{Reference: "docker.io/library/again:1.27", Descriptor: amd},
		},
		Runtimes: []bundle.Runtime{
			{Version: "1.36.3", Embedded: true, Descriptor: b.index(runtime.ArtifactType, b.image(base, b.layer(4096)))},
			{Version: "1.37.2", Descriptor: b.index(runtime.ArtifactType, b.image(base, b.layer(100_000)))},
			{Version: "1.35.4", Embedded: true, Descriptor: b.index(runtime.ArtifactType, b.image(base, b.layer(1)))},
		},
		SBOM: &sbom, Gravity: &program, Source: b,
	}
}

func hexOf(digit byte) string {
	hex := make([]byte, 64)
	for i := range hex {
		hex[i] = digit
	}
	return string(hex)
}

// write writes contents to a new file.
func write(t testing.TB, contents bundle.Contents) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "shop.tar")
	if _, err := bundle.Write(t.Context(), path, contents, bundle.Options{}); err != nil {
		t.Fatal(err)
	}
	return path
}

// open opens a bundle for the time of a test.
func open(t testing.TB, path string) *bundle.Bundle {
	t.Helper()
	opened, err := bundle.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = opened.Close() })
	return opened
}

// verify returns what is wrong with a bundle, from opening and from checking it.
func verify(t testing.TB, path string) error {
	t.Helper()
	opened, err := bundle.Open(path)
	if err != nil {
		return err
	}
	defer opened.Close()
	report, err := opened.Verify(t.Context(), bundle.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return report.Err()
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

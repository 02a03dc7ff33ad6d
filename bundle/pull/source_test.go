package pull_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/pull"
)

func TestLayout(t *testing.T) {
	folder := t.TempDir()
	listed := index(t, "linux/amd64", "linux/arm64")
	path, err := layout.Write(folder, listed)
	if err != nil {
		t.Fatal(err)
	}
	if err := path.AppendIndex(listed, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": "web"})); err != nil {
		t.Fatal(err)
	}
	cache := cacheOf(t, t.TempDir())
	digest, _ := listed.Digest()
	wanted := []pull.Request{{Reference: "quay.example/web@" + digest.String(), From: pull.Layout{Folder: folder, Name: "web"}}}
	images, err := cache.Pull(t.Context(), wanted, pull.Options{})
	if err != nil || images[0].Descriptor.Digest != digest || len(images[0].Present) != 1 {
		t.Fatalf("images %+v, error %v", images, err)
	}
	for _, blob := range images[0].Blobs {
		checkBlob(t, cache, blob)
	}
}

func TestArchive(t *testing.T) {
	file := filepath.Join(t.TempDir(), "web.tar")
	tag, err := name.NewTag("web:1")
	if err != nil {
		t.Fatal(err)
	}
	saved := image(t, 1000, 2)
	if err := tarball.WriteToFile(file, tag, saved); err != nil {
		t.Fatal(err)
	}
	cache := cacheOf(t, t.TempDir())
	images, err := cache.Pull(t.Context(), []pull.Request{{Reference: "web:1", From: pull.Archive{File: file}}}, pull.Options{})
	if err != nil || len(images[0].Blobs) != 4 {
		t.Fatalf("images %+v, error %v", images, err)
	}
	for _, blob := range images[0].Blobs {
		checkBlob(t, cache, blob)
	}
	digest, _ := saved.Digest()
	pinned := []pull.Request{{Reference: "web:1@" + digest.String(), From: pull.Archive{File: file}}}
	if _, err := cache.Pull(t.Context(), pinned, pull.Options{}); err == nil || !strings.Contains(err.Error(), "no original manifest") {
		t.Errorf("error %v", err)
	}
}

package pull_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/pull"
)

// named makes a layout of images with annotations.
func named(t *testing.T, annotations ...map[string]string) (folder string, digests []v1.Hash) {
	t.Helper()
	folder = t.TempDir()
	path, err := layout.Write(folder, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	for _, more := range annotations {
		added := image(t, 100, 1)
		if err := path.AppendImage(added, layout.WithAnnotations(more)); err != nil {
			t.Fatal(err)
		}
		digest, _ := added.Digest()
		digests = append(digests, digest)
	}
	return folder, digests
}

const refName = "org.opencontainers.image.ref.name"

func TestNames(t *testing.T) {
	folder, digests := named(t,
		map[string]string{refName: "docker.io/library/nginx:1.27"},
		map[string]string{refName: "1.28", "io.containerd.image.name": "docker.io/library/nginx:1.28"},
		map[string]string{refName: "web"},
		map[string]string{refName: "quay.example/twice:1"},
		map[string]string{refName: "quay.example/twice:1"},
		map[string]string{refName: "not a reference:"},
		nil,
	)
	file := filepath.Join(t.TempDir(), "saved.tar")
	saved := map[name.Tag]v1.Image{}
	for _, text := range []string{"nginx:1.27", "registry.example:5000/app"} {
		tag, err := name.NewTag(text)
		if err != nil {
			t.Fatal(err)
		}
		saved[tag] = image(t, 100, 1)
	}
	if err := tarball.MultiWriteToFile(file, saved); err != nil {
		t.Fatal(err)
	}
	socket := daemon(t, map[string]v1.Image{"registry.example:5000/app:latest": image(t, 10, 1), "built:dev": image(t, 10, 1)}, nil)
	names, err := pull.ReadNames(t.Context(), pull.Layout{Folder: folder}, pull.Archive{File: file}, pull.Daemon{Socket: socket})
	if err != nil {
		t.Fatal(err)
	}
	// Each source was read once, and is not needed to find names.
	if err := os.Remove(socket); err != nil {
		t.Fatal(err)
	}
	none := v1.Hash{}
	for _, test := range []struct {
		reference string
		kind      string // of the source
		digest    v1.Hash
	}{
		{"nginx:1.27", "layoutImage", digests[0]},
		{"index.docker.io/library/nginx:1.27", "layoutImage", digests[0]},
		{"docker.io/nginx:1.28", "layoutImage", digests[1]},
		{"nginx@" + digests[2].String(), "layoutImage", digests[2]},
		{"other.example/x:1@" + digests[6].String(), "layoutImage", digests[6]},
		{"registry.example:5000/app:latest", "Archive", none},
		{"built:dev", "Daemon", none},
		{"docker.io/library/built:dev", "Daemon", none},
		{"nginx", "", none},
		{"web", "", none},
		{"nginx:1.26", "", none},
		{"quay.example/nginx:1.27", "", none},
		{"built@sha256:" + strings.Repeat("0", 64), "", none},
	} {
		source, err := names.Find(test.reference)
		if kind := strings.TrimPrefix(strings.TrimPrefix(fmt.Sprintf("%T", source), "pull."), "<nil>"); err != nil || kind != test.kind {
			t.Errorf("%s is in %T (%v), want %q", test.reference, source, err, test.kind)
			continue
		}
		if source == nil || test.kind == "Daemon" {
			continue
		}
		images, err := cacheOf(t, t.TempDir()).Pull(t.Context(), []pull.Request{{Reference: test.reference, From: source}}, pull.Options{})
		if err != nil || test.digest != none && images[0].Descriptor.Digest != test.digest {
			t.Errorf("%s: images %+v, error %v", test.reference, images, err)
		}
	}
	if _, err := names.Find("quay.example/twice:1"); err == nil || !strings.Contains(err.Error(), "several images of the name quay.example/twice:1") {
		t.Errorf("error %v", err)
	}
	if _, err := names.Find("no reference"); err == nil {
		t.Error("a name that is none was looked for")
	}
}

// TestNamesOfOne has sources that are restricted to an image.
func TestNamesOfOne(t *testing.T) {
	folder, _ := named(t, map[string]string{refName: "a:1"}, map[string]string{refName: "b:1"})
	names, err := pull.ReadNames(t.Context(), pull.Layout{Folder: folder, Name: "b:1"})
	if err != nil {
		t.Fatal(err)
	}
	a, _ := names.Find("a:1")
	b, _ := names.Find("b:1")
	if a != nil || b == nil {
		t.Errorf("found %v and %v", a, b)
	}
}

func TestNamesOfNothing(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	for _, source := range []pull.Source{
		pull.Layout{Folder: missing}, pull.Archive{File: missing}, pull.Daemon{Socket: missing},
	} {
		if _, err := pull.ReadNames(t.Context(), source); err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("error %v", err)
		}
	}
}

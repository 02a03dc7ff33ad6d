package image_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/gravity-platform/terraform-provider-gravity/examples/image"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// blobs writes blobs of a layout.
type blobs struct {
	t      *testing.T
	folder string
}

func (b blobs) put(mediaType types.MediaType, content []byte) v1.Descriptor {
	b.t.Helper()
	digest, size, err := v1.SHA256(bytes.NewReader(content))
	if err != nil {
		b.t.Fatal(err)
	}
	folder := filepath.Join(b.folder, "blobs", "sha256")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, digest.Hex), content, 0o644); err != nil {
		b.t.Fatal(err)
	}
	return v1.Descriptor{MediaType: mediaType, Digest: digest, Size: size}
}

func (b blobs) putJSON(mediaType types.MediaType, value any) v1.Descriptor {
	b.t.Helper()
	content, err := json.Marshal(value)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.put(mediaType, content)
}

// putRuntime writes a runtime whose layers, which are not compressed, have
// their name and the given text as contents.
func (b blobs) putRuntime(version, text string) v1.Descriptor {
	manifest := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1}
	config := v1.ConfigFile{OS: "linux", Architecture: "amd64", RootFS: v1.RootFS{Type: "layers"}}
	for _, name := range []string{"base", "system", "engine", "etcd"} {
		layer := b.put(types.OCIUncompressedLayer, tarOf(b.t, name, text))
		layer.Annotations = map[string]string{runtime.AnnotationLayer: name, runtime.AnnotationComponents: name + "=1"}
		manifest.Layers = append(manifest.Layers, layer)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, layer.Digest)
	}
	manifest.Config = b.putJSON(types.OCIConfigJSON, config)
	master := b.putJSON(types.OCIManifestSchema1, manifest)
	master.Annotations = map[string]string{runtime.AnnotationRole: runtime.RoleMaster}
	entry := b.putJSON(runtime.ReleaseMediaType, runtime.ReleaseDocument{Release: runtime.Release{Version: version, Components: map[string]string{"etcd": "3.7.3"}}})
	release := b.putJSON(types.OCIManifestSchema1, v1.Manifest{
		SchemaVersion: 2, Layers: []v1.Descriptor{entry},
		Config: b.put("application/vnd.oci.empty.v1+json", []byte("{}")),
	})
	release.Annotations = map[string]string{runtime.AnnotationRole: runtime.RoleRelease}
	index := b.putJSON(types.OCIImageIndex, v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{master, release}})
	index.Annotations = map[string]string{runtime.AnnotationVersion: version}
	return index
}

func (b blobs) putIndex(manifests ...v1.Descriptor) {
	b.t.Helper()
	content, err := json.Marshal(v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: manifests})
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.folder, "index.json"), content, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// program is a source whose program prints its version.
func program(t *testing.T, says string) string {
	t.Helper()
	folder := t.TempDir()
	for name, content := range map[string]string{
		"go.mod":           "module example.com/ledger\n\ngo 1.26.0\n",
		"ledger/main.go":   "package main\n\nvar version string\n\nfunc main() { println(version, `" + says + "`) }\n",
		"ledger/x_test.go": "package main // " + t.Name() + "\n",
	} {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func build(t *testing.T, source, runtimes, target string) *image.Report {
	t.Helper()
	report, err := image.Build(t.Context(), image.Options{Source: source, Runtimes: runtimes, Layout: target, Log: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func runtimes(t *testing.T) blobs {
	t.Helper()
	b := blobs{t, t.TempDir()}
	b.putIndex(b.putRuntime("1.9.5", "old"), b.putRuntime("1.10.0", "new"), b.putRuntime("1.8.0", "older"))
	return b
}

func TestBuild(t *testing.T) {
	from := runtimes(t)
	source, target := program(t, "one"), filepath.Join(t.TempDir(), "layout")
	first := build(t, source, from.folder, target)
	var names []string
	for _, built := range first.Images {
		names = append(names, built.Name)
	}
	want := []string{
		"gravity.local/examples/etcd:3.7.3", "gravity.local/examples/hook:1.0.0",
		"gravity.local/examples/ledger:1.0.0", "gravity.local/examples/ledger:2.0.0",
	}
	if diff := cmp.Diff(want, names); diff != "" || first.UpToDate {
		t.Errorf("images (-want +got):\n%s", diff)
	}
	checkLayers(t, target, from)

	if again := build(t, source, from.folder, target); !again.UpToDate {
		t.Error("equal sources are built again")
	}
	// Elsewhere, by somebody with another umask.
	umask := syscall.Umask(0o077)
	other := build(t, program(t, "one"), from.folder, filepath.Join(t.TempDir(), "x", "layout"))
	syscall.Umask(umask)
	if diff := cmp.Diff(first.Images, other.Images); diff != "" {
		t.Errorf("the same again (-first +second):\n%s", diff)
	}
	changed := build(t, program(t, "two"), from.folder, target)
	if changed.UpToDate || changed.Images[2].Digest == first.Images[2].Digest {
		t.Error("a change of the program does not reach its image")
	}
	checkGarbage(t, target)

	// A blob that a full disk cut short.
	path := filepath.Join(target, "blobs", "sha256", strings.TrimPrefix(changed.Images[0].Digest, "sha256:"))
	if err := os.Truncate(path, 3); err != nil {
		t.Fatal(err)
	}
	if repaired := build(t, program(t, "two"), from.folder, target); repaired.UpToDate {
		t.Error("a damaged layout counts as built")
	}
	checkLayers(t, target, from)
}

// checkLayers wants valid images that share the layers of the newest runtime.
func checkLayers(t *testing.T, target string, from blobs) {
	t.Helper()
	path, err := layout.FromPath(target)
	if err != nil {
		t.Fatal(err)
	}
	index, err := path.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]string{{"base", "etcd", "ledger"}, {"base", "system", "etcd", "ledger"}, {"ledger"}, {"ledger"}} {
		built, err := index.Image(manifest.Manifests[i].Digest)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(built, validate.Fast); err != nil {
			t.Error(err)
		}
		m, err := built.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		var layers []string
		for _, layer := range m.Layers {
			name := layer.Annotations[runtime.AnnotationLayer]
			layers = append(layers, name)
			if name != "ledger" && layer.Digest != from.put(layer.MediaType, tarOf(t, name, "new")).Digest {
				t.Errorf("layer %s is not of the newest runtime", name)
			}
		}
		if diff := cmp.Diff(want, layers); diff != "" {
			t.Errorf("layers of %s (-want +got):\n%s", manifest.Manifests[i].Annotations["org.opencontainers.image.ref.name"], diff)
		}
		config, err := built.ConfigFile()
		if err != nil || config.Config.User != "65532:65532" {
			t.Errorf("user %q (%v)", config.Config.User, err)
		}
	}
}

// checkGarbage wants nothing but four images with two layers of programs, and
// three of the runtime.
func checkGarbage(t *testing.T, target string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(target, "blobs", "sha256"))
	if err != nil || len(entries) != 4*2+2+3 {
		t.Errorf("%d blobs (%v)", len(entries), err)
	}
}

func TestBuildErrors(t *testing.T) {
	from := runtimes(t)
	foreign := t.TempDir()
	strange := blobs{t, foreign}.put(types.OCIManifestSchema1, []byte("{}"))
	strange.Annotations = map[string]string{"org.opencontainers.image.ref.name": "somebody/else:1"}
	blobs{t, foreign}.putIndex(strange)
	broken := runtimes(t)
	entries, err := os.ReadDir(filepath.Join(broken.folder, "blobs", "sha256"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		_ = os.Truncate(filepath.Join(broken.folder, "blobs", "sha256", entry.Name()), 1)
	}
	for _, test := range []struct {
		name, source, runtimes, layout, message, hint string
	}{
		{"no runtimes", program(t, ""), t.TempDir(), t.TempDir(), "open the runtimes", "make runtimes"},
		{"damaged runtimes", program(t, ""), broken.folder, t.TempDir(), "runtime 1.10.0", "make runtimes"},
		{"no sources", t.TempDir(), from.folder, t.TempDir(), "has no sources", "make example-images"},
		{"the layout of others", program(t, ""), from.folder, foreign, "no image of the example", "--layout"},
		{"does not compile", program(t, "`"), from.folder, filepath.Join(t.TempDir(), "l"), "compile ledger 1.0.0", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := image.Build(context.Background(), image.Options{Source: test.source, Runtimes: test.runtimes, Layout: test.layout, Log: io.Discard})
			if err == nil || !strings.Contains(err.Error(), test.message) {
				t.Fatalf("error %v, want %q", err, test.message)
			}
			hinted, ok := errors.AsType[*cli.Error](err)
			if test.hint != "" && (!ok || !strings.Contains(strings.Join(hinted.Hints, " "), test.hint)) {
				t.Errorf("%v has no hint with %q", err, test.hint)
			}
			if _, err := os.Stat(filepath.Join(test.layout, "index.json")); err == nil && test.layout != foreign {
				t.Error("a failed build left an index")
			}
		})
	}
}

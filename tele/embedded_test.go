package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/build"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cachedir"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// maxEmbedded is how much an embedded release may add to a bundle, in bytes.
const maxEmbedded = 20_000_000

// TestEmbeddedRuntimes embeds the two releases before the newest, as make runtimes
// built them, and wants each of their images to be what it was.
func TestEmbeddedRuntimes(t *testing.T) {
	if testing.Short() {
		t.Skip("makes deltas of whole runtimes; run without -short")
	}
	folder := os.Getenv(runtimesVariable)
	if folder == "" {
		cache, err := cachedir.Path("runtimes")
		if err != nil {
			t.Fatal(err)
		}
		folder = filepath.Join(cache, "layout")
	}
	if _, err := os.Stat(filepath.Join(folder, "index.json")); err != nil {
		t.Skipf("there are no runtimes (%v); run 'make runtimes'", err)
	}
	releases, err := runtime.Releases()
	if err != nil {
		t.Fatal(err)
	}
	versions := releases.Versions()
	program := buildGravity(t)
	dir := t.TempDir()
	bare := buildReal(t, dir, folder, program, versions[0], nil)
	embedded := buildReal(t, dir, folder, program, versions[0], versions[1:3])
	t.Logf("%d bytes without, %d with %s", bare.Size, embedded.Size, versions[1:3])
	if added := embedded.Size - bare.Size; added > 2*maxEmbedded {
		t.Errorf("two embedded releases add %d bytes, at most %d each are meant", added, maxEmbedded)
	}
	opened, err := bundle.Open(embedded.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	if report, err := opened.Verify(t.Context(), bundle.Options{}); err != nil || report.Err() != nil || report.Restored == 0 {
		t.Fatalf("%+v, %v", report, err)
	}
	seen := map[v1.Hash]bool{}
	for _, listed := range opened.Index().Runtimes {
		compareRuntime(t, opened, listed, bundle.Layout(folder), seen)
	}
	// Deltas come from the cache, and a damaged one is made again.
	found, err := filepath.Glob(filepath.Join(dir, "state", "deltas", strings.Repeat("?", 64)))
	if err != nil || len(found) != 2 {
		t.Fatalf("deltas in the cache: %v, %v", found, err)
	}
	content, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := os.WriteFile(found[0], content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(embedded.Path); err != nil {
		t.Fatal(err)
	}
	if again := buildReal(t, dir, folder, program, versions[0], versions[1:3]); again.Digest != embedded.Digest {
		t.Errorf("digest %s instead of %s", again.Digest, embedded.Digest)
	}
}

// buildReal builds a bundle that has nothing but runtimes.
func buildReal(t *testing.T, dir, runtimes, program, target string, via []string) build.Result {
	t.Helper()
	manifest := filepath.Join(dir, "app", "app.yaml")
	if err := os.MkdirAll(filepath.Dir(manifest), 0o700); err != nil {
		t.Fatal(err)
	}
	text := "apiVersion: bundle.gravitational.io/v2\nkind: Bundle\nmetadata:\n  name: shop\n  resourceVersion: 1.0.0\nbaseImage: gravity:" + target + "\n"
	if err := os.WriteFile(manifest, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	application, _, err := build.Open(t.Context(), build.Source{Path: manifest, Runtimes: runtimes, Platform: linux, UpgradeVia: via})
	if err != nil {
		t.Fatal(err)
	}
	defer application.Close()
	result, err := application.Build(t.Context(), build.Options{
		Output: filepath.Join(dir, fmt.Sprintf("shop-%d.tar", len(via))), Gravity: program, StateDir: filepath.Join(dir, "state"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// compareRuntime compares a runtime of a bundle with what was built: names of
// images, configurations, and the contents of layers, each layer once.
func compareRuntime(t *testing.T, opened *bundle.Bundle, listed bundle.Runtime, layout bundle.Layout, seen map[v1.Hash]bool) {
	t.Helper()
	original := listed.Descriptor.Digest
	if listed.Packed != nil {
		original = listed.Original
	}
	var is, was v1.IndexManifest
	readInto(t, opened, listed.Descriptor.Digest, &is)
	readInto(t, layout, original, &was)
	if len(is.Manifests) != len(was.Manifests) {
		t.Fatalf("runtime %s: %d images instead of %d", listed.Version, len(is.Manifests), len(was.Manifests))
	}
	for i := range is.Manifests {
		name := fmt.Sprintf("runtime %s: %v", listed.Version, was.Manifests[i].Annotations)
		var image, before v1.Manifest
		readInto(t, opened, is.Manifests[i].Digest, &image)
		readInto(t, layout, was.Manifests[i].Digest, &before)
		if image.Config.Digest != before.Config.Digest || len(image.Layers) != len(before.Layers) ||
			fmt.Sprint(is.Manifests[i].Annotations) != fmt.Sprint(was.Manifests[i].Annotations) {
			t.Errorf("%s: another configuration, or other layers", name)
			continue
		}
		var config v1.ConfigFile
		readInto(t, layout, before.Config.Digest, &config)
		for j, layer := range image.Layers {
			if layer.Digest != before.Layers[j].Digest && !slices.Contains(config.RootFS.DiffIDs, layer.Digest) {
				t.Errorf("%s: layer %d is another one", name, j)
			}
			if seen[layer.Digest] {
				continue
			}
			seen[layer.Digest] = true
			// That what is read has this digest, Open checks.
			blob, err := opened.Open(t.Context(), layer.Digest)
			if err != nil {
				t.Fatal(err)
			}
			if n, err := io.Copy(io.Discard, blob); err != nil || n != layer.Size {
				t.Errorf("%s: layer %d has %d bytes, %v", name, j, n, err)
			}
			if err := blob.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func readInto(t *testing.T, source bundle.BlobSource, digest v1.Hash, into any) {
	t.Helper()
	blob, err := source.Open(context.Background(), digest)
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Close()
	if err := json.NewDecoder(blob).Decode(into); err != nil {
		t.Fatal(err)
	}
}

package pull_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/pull"
)

// TestSharedLayersAreFetchedOnce pulls images that have layers in common.
func TestSharedLayersAreFetchedOnce(t *testing.T) {
	s := serve(t)
	base := image(t, 100_000, 3)
	var references []string
	for _, path := range []string{"team/a:1", "team/b:1", "team/c:1", "other/d:2"} {
		references = append(references, s.push(t, path, derive(t, base, image(t, 5000, 1))))
	}
	s.answer(nil)
	images := mustPull(t, cacheOf(t, t.TempDir()), pull.Options{}, references...)
	if len(images) != 4 || images[3].Reference != references[3] || len(images[0].Blobs) != 6 {
		t.Errorf("images %+v", images)
	}
	counts := map[string]int{}
	for _, r := range s.requests("GET ") {
		counts[r.URL.Path[strings.LastIndex(r.URL.Path, "/"):]]++
	}
	for path, count := range counts {
		if count != 1 {
			t.Errorf("%d requests of %s", count, path)
		}
	}
	if len(counts) != 4*3+3 {
		t.Errorf("%d blobs and manifests were asked for: %v", len(counts), counts)
	}
}

// TestNothingChanged counts the requests of a second pull.
func TestNothingChanged(t *testing.T) {
	s := serve(t)
	plain, listed := s.push(t, "a/plain:1", image(t, 1000, 2)), s.push(t, "b/index:1", index(t, "linux/amd64", "linux/arm64"))
	cache := cacheOf(t, t.TempDir())
	first := mustPull(t, cache, pull.Options{}, plain, listed)
	s.answer(nil)
	mustPull(t, cache, pull.Options{}, plain, listed)
	if seen := s.requests(""); len(seen) != 2 || len(s.requests("HEAD ")) != 2 {
		t.Errorf("%d requests", len(seen))
	}
	s.answer(nil)
	pinned := s.reference("b/index:1@" + first[1].Descriptor.Digest.String())
	if got := mustPull(t, cache, pull.Options{}, pinned); got[0].Reference != pinned {
		t.Errorf("reference %s", got[0].Reference)
	}
	if seen := s.requests(""); len(seen) != 0 {
		t.Errorf("%d requests for a digest", len(seen))
	}
}

func TestIndexes(t *testing.T) {
	s := serve(t)
	listed := index(t, "linux/amd64", "linux/arm64", "windows/amd64")
	reference := s.push(t, "index:1", listed)
	manifest, _ := listed.IndexManifest()
	digest, _ := listed.Digest()
	cache := cacheOf(t, t.TempDir())

	sparse := mustPull(t, cache, pull.Options{Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}}, reference)[0]
	arm := manifest.Manifests[len(manifest.Manifests)-2]
	if sparse.Descriptor.Digest != digest || len(sparse.Present) != 1 || sparse.Present[0] != arm.Digest {
		t.Errorf("present %v of %s", sparse.Present, sparse.Descriptor.Digest)
	}
	if len(sparse.Platforms) != 1 || sparse.Platforms[0].Architecture != "arm64" || len(sparse.Blobs) != 5 {
		t.Errorf("platforms %v, %d blobs", sparse.Platforms, len(sparse.Blobs))
	}
	if _, err := cache.Open(t.Context(), manifest.Manifests[len(manifest.Manifests)-3].Digest); err == nil {
		t.Error("another platform is there, too")
	}
	whole := mustPull(t, cache, pull.Options{AllPlatforms: true}, reference)[0]
	if whole.Present != nil || len(whole.Platforms) != 3 {
		t.Errorf("present %v, platforms %v", whole.Present, whole.Platforms)
	}
	_, err := cache.Pull(t.Context(), requests(reference), pull.Options{Platform: &v1.Platform{OS: "linux", Architecture: "s390x"}})
	if err == nil || !strings.Contains(err.Error(), "no image for linux/s390x; there is one for: linux/amd64, linux/arm64, windows/amd64") {
		t.Errorf("error %v", err)
	}
}

// TestBytesStay has manifests with a form of their own, of both kinds.
func TestBytesStay(t *testing.T) {
	s := serve(t)
	for _, kind := range []types.MediaType{types.OCIManifestSchema1, types.DockerManifestSchema2} {
		original := mutate.MediaType(image(t, 100, 1), kind)
		reference := s.push(t, "bytes:1", original)
		cache := cacheOf(t, t.TempDir())
		got := mustPull(t, cache, pull.Options{}, reference)[0]
		digest, _ := original.Digest()
		if got.Descriptor.MediaType != kind || got.Descriptor.Digest != digest {
			t.Errorf("descriptor %+v", got.Descriptor)
		}
	}
}

func TestAllFailuresAreReported(t *testing.T) {
	s := serve(t)
	good := s.push(t, "good:1", image(t, 100, 1))
	cache := cacheOf(t, t.TempDir())
	wanted := requests(s.reference("missing:1"), good, s.reference("missing:2"), "not a reference")
	s.answer(nil)
	_, err := cache.Pull(t.Context(), wanted, pull.Options{Retry: fast})
	for _, part := range []string{"missing:1: get digest: HEAD", "missing:2: get digest", "not a reference: read reference"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v has no %q", err, part)
		}
	}
	var failed *pull.Error
	if !errors.As(err, &failed) || failed.Reference != wanted[0].Reference {
		t.Errorf("error %+v", failed)
	}
	if n := len(s.requests("missing")); n != 2 {
		t.Errorf("%d requests for what is missing", n)
	}
	s.answer(nil)
	mustPull(t, cache, pull.Options{}, good)
	if n := len(s.requests("")); n != 1 {
		t.Errorf("%d requests for what was there", n)
	}
}

func TestSchema1IsRefused(t *testing.T) {
	s := serve(t)
	s.answer(func(w http.ResponseWriter, _ *http.Request) bool {
		_, _ = w.Write([]byte(`{"schemaVersion": 1, "name": "old", "tag": "1", "fsLayers": []}`))
		return true
	})
	if err := failure(t, t.TempDir(), s.reference("old:1")); !strings.Contains(err.Error(), "schema1") {
		t.Errorf("error %v", err)
	}
}

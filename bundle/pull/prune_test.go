package pull_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/pull"
)

func blobFile(folder string, digest v1.Hash) string {
	return filepath.Join(folder, "blobs", "sha256", digest.Hex)
}

// flip changes a byte of a file.
func flip(t *testing.T, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := os.WriteFile(path, content, 0o644); err != nil { //nolint:gosec // as the cache has it
		t.Fatal(err)
	}
}

// TestDamagedBlobIsReplaced does what a builder does.
func TestDamagedBlobIsReplaced(t *testing.T) {
	s := serve(t)
	reference := s.push(t, "web:1", image(t, 10_000, 2))
	folder := t.TempDir()
	cache := cacheOf(t, folder)
	pulled := mustPull(t, cache, pull.Options{}, reference)[0]
	manifest := []byte("apiVersion: bundle.gravitational.io/v2\nkind: Application\nmetadata:\n  name: shop\n")
	contents := bundle.Contents{
		Name: "shop", Version: "1.0.0", Platform: v1.Platform{OS: "linux", Architecture: "amd64"}, Manifest: manifest,
		Images: []bundle.Image{{Reference: reference, Descriptor: pulled.Descriptor}},
		Source: cache,
	}
	for i, blob := range pulled.Blobs { // a manifest, a configuration, layers
		flip(t, blobFile(folder, blob.Digest))
		path := filepath.Join(t.TempDir(), "shop.tar")
		_, err := bundle.Write(t.Context(), path, contents, bundle.Options{})
		var damaged *bundle.DamagedError
		if !errors.As(err, &damaged) || damaged.Digest != blob.Digest {
			t.Fatalf("blob %d: error %v", i, err)
		}
		if err := cache.Check(t.Context(), blob.Digest); !errors.As(err, &damaged) {
			t.Errorf("blob %d is checked with %v", i, err)
		}
		if err := cache.Drop(t.Context(), blob.Digest); err != nil {
			t.Fatal(err)
		}
		if err := cache.Check(t.Context(), blob.Digest); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("blob %d is checked with %v after it was dropped", i, err)
		}
		mustPull(t, cache, pull.Options{}, reference)
		if _, err := bundle.Write(t.Context(), path, contents, bundle.Options{}); err != nil {
			t.Errorf("blob %d: %v", i, err)
		}
	}
	if left := partials(t, folder); left != nil {
		t.Errorf("partial files of %d bytes are left", left)
	}
}

// TestTruncatedBlobIsTyped has a blob of another length.
func TestTruncatedBlobIsTyped(t *testing.T) {
	s := serve(t)
	reference := s.push(t, "web:1", image(t, 10_000, 1))
	folder := t.TempDir()
	cache := cacheOf(t, folder)
	pulled := mustPull(t, cache, pull.Options{}, reference)[0]
	for _, size := range []int64{0, 100_000} {
		if err := os.Truncate(blobFile(folder, pulled.Blobs[2].Digest), size); err != nil {
			t.Fatal(err)
		}
		_, err := bundle.Write(t.Context(), filepath.Join(t.TempDir(), "shop.tar"), bundle.Contents{
			Name: "shop", Version: "1.0.0", Platform: v1.Platform{OS: "linux", Architecture: "amd64"}, Manifest: []byte("kind: Application\n"),
			Images: []bundle.Image{{Reference: reference, Descriptor: pulled.Descriptor}}, Source: cache,
		}, bundle.Options{})
		var damaged *bundle.DamagedError
		if !errors.As(err, &damaged) || damaged.Digest != pulled.Blobs[2].Digest {
			t.Errorf("error %v", err)
		}
	}
}

func TestDropKeepsWhatIsGood(t *testing.T) {
	s := serve(t)
	cache := cacheOf(t, t.TempDir())
	blob := mustPull(t, cache, pull.Options{}, s.push(t, "web:1", image(t, 100, 1)))[0].Blobs[2]
	if err := cache.Drop(t.Context(), blob.Digest); err != nil {
		t.Error(err)
	}
	checkBlob(t, cache, blob)
	if err := cache.Drop(t.Context(), v1.Hash{Algorithm: "sha256", Hex: blob.Digest.Hex[:60] + "0000"}); err != nil {
		t.Error(err)
	}
}

func TestPrune(t *testing.T) {
	s := serve(t)
	first, second := s.push(t, "first:1", image(t, 50_000, 1)), s.push(t, "second:1", image(t, 50_000, 1))
	folder := t.TempDir()
	cache := cacheOf(t, folder)
	images := mustPull(t, cache, pull.Options{}, first, second)
	old := time.Now().Add(-48 * time.Hour)
	for _, image := range images {
		for _, blob := range image.Blobs {
			if err := os.Chtimes(blobFile(folder, blob.Digest), old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	// A file that a killed process left, and a blob that was begun.
	for name, used := range map[string]time.Time{"export-1.tar": time.Now(), images[0].Blobs[0].Digest.Hex + ".partial": old} {
		path := filepath.Join(folder, "partial", name)
		if err := os.WriteFile(path, make([]byte, 100), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, used, used); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := cache.Prune(t.Context(), pull.Pruning{Unused: time.Hour}); !errors.Is(err, pull.ErrInUse) {
		t.Fatalf("error %v", err)
	}
	mustPull(t, cache, pull.Options{}, first) // notes its use
	closeCache(t, cache)
	other := cacheOf(t, folder)
	pruned, err := other.Prune(t.Context(), pull.Pruning{})
	if err != nil || pruned != (pull.Pruned{Blobs: 0, Bytes: 100}) {
		t.Errorf("pruned %+v, error %v", pruned, err)
	}
	pruned, err = other.Prune(t.Context(), pull.Pruning{Unused: 24 * time.Hour})
	if err != nil || pruned.Blobs != 4 || pruned.Bytes < 50_000 || pruned.Bytes > 60_000 {
		t.Errorf("pruned %+v, error %v", pruned, err)
	}
	s.answer(nil)
	mustPull(t, cache, pull.Options{}, first)
	if n := len(s.requests("GET ")); n != 0 {
		t.Errorf("%d requests for what was used", n)
	}
	mustPull(t, cache, pull.Options{}, second)
	if n := len(s.requests("GET ")); n != 3 {
		t.Errorf("%d requests for what was pruned", n)
	}
	closeCache(t, cache)
	if pruned, err = other.Prune(t.Context(), pull.Pruning{MaxBytes: 60_000}); err != nil || pruned.Bytes < 50_000 || pruned.Bytes > 110_000 {
		t.Errorf("pruned %+v, error %v", pruned, err)
	}
}

// TestPruneRemovesTheOldestFirst has a limit for the sum.
func TestPruneRemovesTheOldestFirst(t *testing.T) {
	s := serve(t)
	references := []string{s.push(t, "a:1", image(t, 50_000, 1)), s.push(t, "b:1", image(t, 50_000, 1)), s.push(t, "c:1", image(t, 50_000, 1))}
	folder := t.TempDir()
	cache := cacheOf(t, folder)
	images := mustPull(t, cache, pull.Options{}, references...)
	for i, hours := range []int{20, 30, 10} {
		for _, blob := range images[i].Blobs {
			used := time.Now().Add(-time.Duration(hours) * time.Hour)
			if err := os.Chtimes(blobFile(folder, blob.Digest), used, used); err != nil {
				t.Fatal(err)
			}
		}
	}
	closeCache(t, cache)
	pruned, err := cache.Prune(t.Context(), pull.Pruning{MaxBytes: 110_000, Unused: 100 * time.Hour})
	if err != nil || pruned.Blobs == 0 {
		t.Fatalf("pruned %+v, error %v", pruned, err)
	}
	for i, want := range []bool{true, false, true} {
		if _, err := os.Stat(blobFile(folder, images[i].Blobs[2].Digest)); (err == nil) != want {
			t.Errorf("image %d: %v", i, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := cache.Prune(ctx, pull.Pruning{Unused: time.Hour}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestPruneSparesOtherProcesses has a user of the cache who is not this one.
func TestPruneSparesOtherProcesses(t *testing.T) {
	s := serve(t)
	reference := s.push(t, "web:1", image(t, 1000, 1))
	folder := t.TempDir()
	user := cacheOf(t, folder)
	blob := mustPull(t, user, pull.Options{}, reference)[0].Blobs[0]
	closeCache(t, user)
	file, err := user.Open(t.Context(), blob.Digest) // reads, as a writer of bundles
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := cacheOf(t, folder).Prune(t.Context(), pull.Pruning{MaxBytes: 1}); !errors.Is(err, pull.ErrInUse) {
		t.Errorf("error %v", err)
	}
	checkBlob(t, user, blob)
	closeCache(t, user)
	if _, err := cacheOf(t, folder).Prune(t.Context(), pull.Pruning{MaxBytes: 1}); err != nil {
		t.Error(err)
	}
}

func closeCache(t *testing.T, cache *pull.Cache) {
	t.Helper()
	if err := cache.Close(); err != nil {
		t.Fatal(err)
	}
}

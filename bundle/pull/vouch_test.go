package pull_test

import (
	"errors"
	"hash/maphash"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/pull"
)

// TestOnlyWhoCheckedVouches lets damage be found by who pulled and vouches for
// the blobs, and by who found them in the cache.
func TestOnlyWhoCheckedVouches(t *testing.T) {
	s := serve(t)
	folder := t.TempDir()
	pulling := cacheOf(t, folder)
	pulled := mustPull(t, pulling, pull.Options{}, s.push(t, "web:1", image(t, 100_000, 2)))[0]
	layer := pulled.Blobs[2]
	write := func(source bundle.BlobSource) error {
		_, err := bundle.Write(t.Context(), filepath.Join(t.TempDir(), "bundle.tar"), bundle.Contents{
			Name: "app", Version: "1.0.0", Platform: v1.Platform{OS: "linux", Architecture: "amd64"},
			Manifest: []byte("kind: Application\n"), Source: source,
			Images: []bundle.Image{{Reference: pulled.Reference, Descriptor: pulled.Descriptor}},
		}, bundle.Options{})
		return err
	}
	sources := map[bool]*pull.Cache{true: pulling, false: cacheOf(t, folder)}
	for vouches, cache := range sources {
		blob, err := cache.Open(t.Context(), layer.Digest)
		if err != nil {
			t.Fatal(err)
		}
		_, ok := blob.(interface {
			Vouch() (seed maphash.Seed, sum uint64)
		})
		if err := blob.Close(); err != nil || ok != vouches {
			t.Errorf("vouches: %t instead of %t, error %v", ok, vouches, err)
		}
		if err := write(cache); err != nil {
			t.Error(err)
		}
	}
	flip(t, blobFile(folder, layer.Digest))
	for vouches, cache := range sources {
		var damaged *bundle.DamagedError
		if err := write(cache); !errors.As(err, &damaged) || damaged.Digest != layer.Digest {
			t.Errorf("who vouches (%t) got the error %v", vouches, err)
		}
	}
}

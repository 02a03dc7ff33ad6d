package pull_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/pull"
)

// BenchmarkPull pulls twelve images that share a base, into an empty cache and
// into one that has them; "layout" is what crane does to pull them, for
// comparison.
func BenchmarkPull(b *testing.B) {
	s := serve(b)
	var references []string
	var size int64
	shared := image(b, 4<<20, 2)
	for i := range 12 {
		own := derive(b, shared, image(b, 2<<20, 1))
		references = append(references, s.push(b, fmt.Sprintf("team/image%d:1", i), own))
		size += 2 << 20
	}
	size += 8 << 20
	pullAll := func(b *testing.B, cache *pull.Cache) {
		if _, err := cache.Pull(b.Context(), requests(references...), pull.Options{}); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("cold", func(b *testing.B) {
		b.SetBytes(size)
		b.ReportAllocs()
		folder := b.TempDir()
		for i := 0; b.Loop(); i++ {
			pullAll(b, cacheOf(b, filepath.Join(folder, strconv.Itoa(i))))
		}
	})
	b.Run("layout", func(b *testing.B) {
		b.SetBytes(size)
		b.ReportAllocs()
		folder := b.TempDir()
		for i := 0; b.Loop(); i++ {
			pullLayout(b, filepath.Join(folder, strconv.Itoa(i)), references)
		}
	})
	b.Run("unchanged", func(b *testing.B) {
		b.ReportAllocs()
		cache := cacheOf(b, b.TempDir())
		pullAll(b, cache)
		for b.Loop() {
			pullAll(b, cache)
		}
	})
}

// pullLayout writes images into a layout.
func pullLayout(b *testing.B, folder string, references []string) {
	b.Helper()
	path, err := layout.Write(folder, empty.Index)
	if err != nil {
		b.Fatal(err)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	for _, text := range references {
		reference, err := name.ParseReference(text)
		if err != nil {
			b.Fatal(err)
		}
		image, err := remote.Image(reference, remote.WithContext(b.Context()), remote.WithTransport(transport))
		if err == nil {
			err = path.AppendImage(image)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

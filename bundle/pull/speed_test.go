package pull_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/pull"
)

// BenchmarkPull pulls twelve images that share a base, into an empty cache and
// into one that has them.
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
			pullAll(b, cacheOf(b, filepath.Join(folder, fmt.Sprint(i))))
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

package bundle_test

import (
	"path/filepath"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
)

// large is a bundle of 256 MB in files, as a cache has them.
func large(b *testing.B) bundle.Contents {
	b.Helper()
	contents := complete()
	source := contents.Source.(*blobs)
	image := source.image(source.layer(128<<20), source.layer(64<<20), source.layer(64<<20))
	contents.Images = append(contents.Images, bundle.Image{Reference: "registry.example/large:1", Descriptor: image})
	contents.Source = asWritten(b, source)
	return contents
}

func BenchmarkWrite(b *testing.B) {
	contents := large(b)
	path := filepath.Join(b.TempDir(), "large.tar")
	b.SetBytes(256 << 20)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bundle.Write(b.Context(), path, contents, bundle.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	opened := open(b, write(b, large(b)))
	b.SetBytes(256 << 20)
	b.ReportAllocs()
	for b.Loop() {
		if report, err := opened.Verify(b.Context(), bundle.Options{}); err != nil || report.Err() != nil {
			b.Fatal(err, report.Err())
		}
	}
}

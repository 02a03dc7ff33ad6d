package bundle_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
)

// exampleBundle writes a small bundle and returns its path.
func exampleBundle(folder string) string {
	path := filepath.Join(folder, "shop-1.0.0.tar")
	_, err := bundle.Write(context.Background(), path, bundle.Contents{
		Name: "shop", Version: "1.0.0", Platform: v1.Platform{OS: "linux", Architecture: "amd64"},
		Manifest: []byte("kind: Application\n"), Source: bundle.Memory{},
	}, bundle.Options{})
	if err != nil {
		panic(err)
	}
	return path
}

func ExampleWrite() {
	folder, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder)

	// Images come from an OCI layout or any other source; this one has a single
	// layer.
	source := bundle.Memory{}
	layer := source.Add([]byte("a tar"))
	config := source.Add([]byte("{}"))
	manifest := source.Add(fmt.Appendf(nil,
		`{"schemaVersion":2,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[{"mediaType":%q,"digest":%q,"size":%d}]}`,
		types.OCIConfigJSON, config.Digest, config.Size, types.OCILayer, layer.Digest, layer.Size))
	manifest.MediaType = types.OCIManifestSchema1

	written, err := bundle.Write(context.Background(), filepath.Join(folder, "shop-1.0.0.tar"), bundle.Contents{
		Name: "shop", Version: "1.0.0",
		Platform: v1.Platform{OS: "linux", Architecture: "amd64"},
		Manifest: []byte("kind: Application\n"),
		Images:   []bundle.Image{{Reference: "docker.io/library/nginx:1.27", Descriptor: manifest}},
		Source:   source,
	}, bundle.Options{})
	if err != nil {
		panic(err)
	}
	fmt.Println(written.Blobs, "blobs")
	// Output: 5 blobs
}

func ExampleOpen() {
	folder, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder)

	opened, err := bundle.Open(exampleBundle(folder))
	if err != nil {
		panic(err)
	}
	defer opened.Close()
	manifest, err := opened.Manifest()
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s: %s", opened.Index().Reference(), manifest)
	// Output: gravity.local/app/shop:1.0.0: kind: Application
}

func ExampleBundle_Verify() {
	folder, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder)

	opened, err := bundle.Open(exampleBundle(folder))
	if err != nil {
		panic(err)
	}
	defer opened.Close()
	report, err := opened.Verify(context.Background(), bundle.Options{})
	if err != nil {
		panic(err)
	}
	fmt.Println(report.Entries, "entries,", report.Blobs, "blobs,", len(report.Problems), "problems")
	// Output: 4 entries, 3 blobs, 0 problems
}

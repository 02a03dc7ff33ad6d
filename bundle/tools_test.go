package bundle_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// packages is the extracted image layout of a bundle.
func packages(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	extract(t, write(t, complete()), folder)
	return filepath.Join(folder, "packages")
}

// TestLibraryReadsPackages reads every image with go-containerregistry's own
// reader of layouts, as crane does.
func TestLibraryReadsPackages(t *testing.T) {
	path, err := layout.FromPath(packages(t))
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
	images := 0
	for _, descriptor := range manifest.Manifests {
		if descriptor.Annotations[runtime.AnnotationRole] != runtime.RoleImage || descriptor.MediaType != types.OCIManifestSchema1 {
			continue
		}
		image, err := index.Image(descriptor.Digest)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(image, validate.Fast); err != nil {
			t.Errorf("%v: %v", descriptor.Annotations, err)
		}
		images++
	}
	if images != 2 {
		t.Errorf("%d images", images)
	}
}

// TestSkopeoReadsPackages copies an image of one platform and one of several by
// their original names.
func TestSkopeoReadsPackages(t *testing.T) {
	if _, err := exec.LookPath("skopeo"); err != nil {
		t.Skip("skopeo is not installed")
	}
	folder := packages(t)
	skopeo := func(arguments ...string) string {
		output, err := exec.CommandContext(t.Context(), "skopeo", arguments...).CombinedOutput()
		if err != nil {
			t.Fatalf("skopeo %s: %v: %s", strings.Join(arguments, " "), err, output)
		}
		return string(output)
	}
	for _, name := range []string{"docker.io/library/nginx:1.27", "quay.example/team/web:2.0"} {
		raw := skopeo("inspect", "--raw", "oci:"+folder+":"+name)
		if !json.Valid([]byte(raw)) {
			t.Errorf("%s: %q", name, raw)
		}
	}
	skopeo("copy", "--insecure-policy", "oci:"+folder+":docker.io/library/nginx:1.27", "oci:"+t.TempDir()+"/copy:nginx")
}

// TestLibraryReadsDockerImages keeps a manifest of Docker's types, as many
// registries still serve them, as it is. skopeo finds these by no name in any
// layout.
func TestLibraryReadsDockerImages(t *testing.T) {
	contents := complete()
	source := contents.Source.(*blobs)
	layer := source.layer(1000)
	layer.MediaType = types.DockerLayer
	config := source.json(types.DockerConfigJSON, map[string]any{
		"architecture": "amd64", "os": "linux",
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{layer.Digest.String()}},
	})
	described := source.json(types.DockerManifestSchema2, v1.Manifest{
		SchemaVersion: 2, MediaType: types.DockerManifestSchema2, Config: config, Layers: []v1.Descriptor{layer},
	})
	contents.Images = []bundle.Image{{Reference: "registry.example/docker:1", Descriptor: described}}
	path := write(t, contents)
	if err := verify(t, path); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	extract(t, path, folder)
	opened, err := layout.FromPath(filepath.Join(folder, "packages"))
	if err != nil {
		t.Fatal(err)
	}
	image, err := opened.Image(described.Digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(image, validate.Fast); err != nil {
		t.Error(err)
	}
}

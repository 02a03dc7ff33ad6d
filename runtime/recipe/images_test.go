package recipe

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

func TestPutImage(t *testing.T) {
	b := testBuilder(t, filepath.Join(t.TempDir(), "layout"), "recipe")
	base, kube := testLayer(t, "base", "base"), testLayer(t, "kube", "kube")
	descriptor, err := b.putImage(image{
		name: "registry.test/kube-proxy:v1.37.2", role: runtime.RoleImage, title: "kube-proxy", version: "1.37.2",
		layers: []layer{base, kube}, entrypoint: []string{"/usr/local/bin/kube-proxy"}, user: "65535:65535", workdir: "/",
	})
	if err != nil {
		t.Fatal(err)
	}
	wantAnnotations := map[string]string{
		refName: "registry.test/kube-proxy:v1.37.2", containerdName: "registry.test/kube-proxy:v1.37.2",
		runtime.AnnotationRole: runtime.RoleImage, "org.opencontainers.image.version": "1.37.2",
	}
	if diff := cmp.Diff(wantAnnotations, descriptor.Annotations); diff != "" {
		t.Errorf("annotations mismatch (-want +got):\n%s", diff)
	}
	manifest := decode[v1.Manifest](t, b.layout, descriptor.Digest)
	if manifest.MediaType != types.OCIManifestSchema1 || manifest.Config.MediaType != types.OCIConfigJSON {
		t.Errorf("media types %s and %s are not OCI's", manifest.MediaType, manifest.Config.MediaType)
	}
	for i, made := range []layer{base, kube} {
		got := manifest.Layers[i]
		if got.Digest.String() != made.Digest || got.Size != made.Size || got.MediaType != types.OCILayerZStd {
			t.Errorf("layer %d is %+v, want %+v", i, got, made)
		}
		if size := got.Annotations[annotationTarSize]; size != "2048" { // header, one block, two blocks of zeros
			t.Errorf("layer %d is %s bytes unpacked", i, size)
		}
	}
	config := decode[v1.ConfigFile](t, b.layout, manifest.Config.Digest)
	if !config.Created.Equal(sourceDate) || config.OS != "linux" || config.Architecture != "amd64" {
		t.Errorf("config is of %s for %s/%s", config.Created, config.OS, config.Architecture)
	}
	if config.Config.User != "65535:65535" || config.Config.Entrypoint[0] != "/usr/local/bin/kube-proxy" {
		t.Errorf("config runs %q as %s", config.Config.Entrypoint, config.Config.User)
	}
	if len(config.RootFS.DiffIDs) != 2 || config.RootFS.DiffIDs[0].String() != base.DiffID || config.RootFS.DiffIDs[1].String() != kube.DiffID {
		t.Errorf("diff IDs %v, want those of the layers", config.RootFS.DiffIDs)
	}
}

func TestPutArtifact(t *testing.T) {
	b := testBuilder(t, filepath.Join(t.TempDir(), "layout"), "recipe")
	putRuntime(t, b, "1.37.2", testLayer(t, "etcd", "etcd"))
	descriptor, ok := b.layout.find(runtime.Reference("1.37.2"))
	if !ok || descriptor.ArtifactType != runtime.ArtifactType || descriptor.Annotations[runtime.AnnotationRecipe] != "recipe" {
		t.Fatalf("the artifact's descriptor is %+v", descriptor)
	}
	index := decode[struct {
		ArtifactType string
		Annotations  map[string]string
		Manifests    []v1.Descriptor
	}](t, b.layout, descriptor.Digest)
	if index.ArtifactType != runtime.ArtifactType || index.Annotations[runtime.AnnotationVersion] != "1.37.2" {
		t.Errorf("the index is %+v", index)
	}
	roles := make(map[string]v1.Descriptor)
	for _, child := range index.Manifests {
		roles[child.Annotations[runtime.AnnotationRole]] = child
	}
	for _, role := range []string{runtime.RoleMaster, runtime.RoleImage, runtime.RoleRelease, runtime.RoleSBOM} {
		if _, ok := roles[role]; !ok {
			t.Errorf("the artifact has no %s", role)
		}
	}
	manifest := decode[v1.Manifest](t, b.layout, roles[runtime.RoleRelease].Digest)
	document := decode[runtime.ReleaseDocument](t, b.layout, manifest.Layers[0].Digest)
	if document.Version != "1.37.2" || len(document.Images) != 1 || document.Images[0] != "registry.test/etcd:1.37.2" {
		t.Errorf("the catalogue entry is %+v, want the version and the image without the master container", document)
	}
}

// TestRuntimesAreEqual builds the same runtime twice and compares every byte.
func TestRuntimesAreEqual(t *testing.T) {
	folders := [2]string{}
	for i := range folders {
		folders[i] = filepath.Join(t.TempDir(), "layout")
		b := testBuilder(t, folders[i], "recipe")
		putRuntime(t, b, "1.37.2", testLayer(t, "etcd", "etcd"), testLayer(t, "kube", "kube"))
	}
	if diff := cmp.Diff(blobsOf(t, folders[0]), blobsOf(t, folders[1])); diff != "" {
		t.Errorf("blobs mismatch (-first +second):\n%s", diff)
	}
	first, err := os.ReadFile(filepath.Join(folders[0], "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(filepath.Join(folders[1], "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(first), string(second)); diff != "" {
		t.Errorf("index.json mismatch (-first +second):\n%s", diff)
	}
}

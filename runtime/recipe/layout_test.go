package recipe

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"

	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// testBuilder is a builder with an empty layout, of a recipe with the given
// hash.
func testBuilder(t *testing.T, folder, recipe string) *builder {
	t.Helper()
	output, err := openLayout(folder)
	if err != nil {
		t.Fatal(err)
	}
	return &builder{catalogue: &runtime.Catalogue{SourceDate: sourceDate}, source: checkout, layout: output, recipe: recipe}
}

// testLayer is a layer in a cache, with the given bytes.
func testLayer(t *testing.T, name, content string) layer {
	t.Helper()
	path := filepath.Join(t.TempDir(), layerFile)
	made, err := compressLayer(t.Context(), path, func(w io.Writer) error {
		return writeEntries(w, []entry{{name: name, data: []byte(content)}}, sourceDate)
	}, zstdCompress)
	if err != nil {
		t.Fatal(err)
	}
	made.Name, made.Components, made.path = name, name+"=1.0.0,debian=bookworm", path
	return made
}

// putRuntime puts a small runtime of the given layers into the layout.
func putRuntime(t *testing.T, b *builder, version string, layers ...layer) {
	t.Helper()
	release := runtime.Release{Version: version, Components: map[string]string{"flannel": "0.28.10"}}
	images := []image{
		{name: "registry.test/etcd:" + version, role: runtime.RoleImage, title: "etcd", version: version, layers: layers[:1]},
		{name: runtime.MasterReference(version), role: runtime.RoleMaster, title: "master", version: version, layers: layers},
	}
	var named []v1.Descriptor
	for _, i := range images {
		descriptor, err := b.putImage(i)
		if err != nil {
			t.Fatal(err)
		}
		named = append(named, descriptor)
	}
	artifact, err := b.putArtifact(release, parts{}, images, named)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.layout.set(append(named, artifact)); err != nil {
		t.Fatal(err)
	}
}

func blobsOf(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(folder, "blobs", "sha256"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func TestOpenLayout(t *testing.T) {
	for _, test := range []struct {
		name, index string
		fails, hint string
	}{
		{"new", "", "", ""},
		{"existing", `{"schemaVersion":2,"manifests":[]}`, "", ""},
		{"cut short", `{"schemaVersion":2,"mani`, "unexpected end of JSON input", "remove the folder"},
		{"of somebody else", `{"schemaVersion":2,"manifests":[{"digest":"sha256:` + hexOf("x") + `","annotations":{"org.opencontainers.image.ref.name":"theirs:1"}}]}`, `"theirs:1", which is of no runtime`, "--layout"},
	} {
		t.Run(test.name, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "some", "layout")
			if test.index != "" {
				if err := os.MkdirAll(folder, 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(folder, "index.json"), []byte(test.index), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			opened, err := openLayout(folder)
			if test.fails != "" {
				wantError(t, err, test.fails)
				wantHint(t, err, test.hint)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			marker, err := os.ReadFile(filepath.Join(folder, "oci-layout"))
			if err != nil || string(marker) != `{"imageLayoutVersion":"1.0.0"}` {
				t.Errorf("oci-layout has %q (%v)", marker, err)
			}
			if _, err := opened.reportRuntime("1.37.2", nil); err == nil {
				t.Error("an empty layout reports a runtime")
			}
		})
	}
}

// TestLayoutIsSound compares every blob with the descriptors that lead to it,
// and every layer with the image's config.
func TestLayoutIsSound(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "layout")
	b := testBuilder(t, folder, "recipe")
	putRuntime(t, b, "1.37.2", testLayer(t, "etcd", "etcd"), testLayer(t, "kube", "kube"))
	opened, err := openLayout(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	reached := make(map[string]bool)
	for _, descriptor := range opened.index.Manifests {
		names = append(names, descriptor.Annotations[refName])
		blobs, err := opened.reachable(descriptor)
		if err != nil {
			t.Fatal(err)
		}
		for digest, size := range blobs {
			reached[digest.Hex] = true
			content, err := os.ReadFile(opened.blobPath(digest))
			if err != nil || int64(len(content)) != size || hexOf(string(content)) != digest.Hex {
				t.Errorf("blob %s has %d bytes with %s (%v), want %d", digest, len(content), hexOf(string(content)), err, size)
			}
		}
		if descriptor.MediaType.IsImage() {
			checkDiffIDs(t, opened, descriptor)
		}
	}
	want := []string{"gravity.local/master:1.37.2", "gravity.local/runtime:1.37.2", "registry.test/etcd:1.37.2"}
	if !slices.Equal(names, want) {
		t.Errorf("the layout names %q, want %q", names, want)
	}
	if blobs := blobsOf(t, folder); len(blobs) != len(reached) {
		t.Errorf("%d blobs, %d are reached", len(blobs), len(reached))
	}
}

func checkDiffIDs(t *testing.T, l *layout, descriptor v1.Descriptor) {
	t.Helper()
	manifest := decode[v1.Manifest](t, l, descriptor.Digest)
	config := decode[v1.ConfigFile](t, l, manifest.Config.Digest)
	for i, made := range manifest.Layers {
		file, err := os.Open(l.blobPath(made.Digest))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = file.Close() }()
		plain, err := zstd.NewReader(file)
		if err != nil {
			t.Fatal(err)
		}
		defer plain.Close()
		if got, _, err := v1.SHA256(plain); err != nil || got != config.RootFS.DiffIDs[i] {
			t.Errorf("layer %d of %s is %s unpacked (%v), the config says %s", i, descriptor.Annotations[refName], got, err, config.RootFS.DiffIDs[i])
		}
	}
}

func TestLayoutSetReplacesByName(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "layout")
	b := testBuilder(t, folder, "recipe")
	put := func(name, content string) v1.Descriptor {
		descriptor, err := b.layout.putBytes(types.OCIManifestSchema1, []byte(content))
		if err != nil {
			t.Fatal(err)
		}
		descriptor.Annotations = map[string]string{refName: name, runtime.AnnotationRole: runtime.RoleImage}
		return descriptor
	}
	for _, descriptors := range [][]v1.Descriptor{{put("b", "1"), put("a", "1")}, {put("b", "2"), put("c", "2")}} {
		if err := b.layout.set(descriptors); err != nil {
			t.Fatal(err)
		}
	}
	again, err := openLayout(folder)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []v1.Descriptor{put("a", "1"), put("b", "2"), put("c", "2")} {
		if got := again.index.Manifests[i]; got.Digest != want.Digest || got.Annotations[refName] != want.Annotations[refName] {
			t.Errorf("entry %d is %v, want %v", i, got, want)
		}
	}
	if len(again.index.Manifests) != 3 {
		t.Errorf("%d entries, want 3", len(again.index.Manifests))
	}
	left, err := filepath.Glob(filepath.Join(folder, ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %q (%v)", left, err)
	}
}

func TestIsCurrent(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "layout")
	etcd := testLayer(t, "etcd", "etcd")
	b := testBuilder(t, folder, "recipe")
	rebuild := func() { putRuntime(t, b, "1.37.2", etcd) }
	current := func(version, recipe string) bool {
		opened, err := openLayout(folder)
		if err != nil {
			t.Fatal(err)
		}
		return opened.isCurrent(version, recipe)
	}
	rebuild()
	if !current("1.37.2", "recipe") {
		t.Fatal("a complete runtime is not current")
	}
	if current("1.37.2", "another recipe") || current("1.36.3", "recipe") {
		t.Error("another recipe's or version's runtime is current")
	}
	for _, blob := range blobsOf(t, folder) {
		path := filepath.Join(folder, "blobs", "sha256", blob)
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, damage := range []func() error{
			func() error { return os.Remove(path) },
			func() error { // not in place: the layer is a file of the cache, too
				return errors.Join(os.Remove(path), os.WriteFile(path, content[:len(content)-1], 0o644))
			},
		} {
			if err := damage(); err != nil {
				t.Fatal(err)
			}
			if current("1.37.2", "recipe") {
				t.Errorf("current without %d bytes of blob %s", len(content), blob)
			}
			rebuild()
			if !current("1.37.2", "recipe") {
				t.Errorf("building again does not repair blob %s", blob)
			}
		}
	}
}

func TestCollectGarbage(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "layout")
	b := testBuilder(t, folder, "old")
	base, newer, older := testLayer(t, "base", "base"), testLayer(t, "kube", "1.37"), testLayer(t, "kube", "1.36")
	putRuntime(t, b, "1.37.2", base, newer)
	putRuntime(t, b, "1.36.3", base, older)
	if err := b.layout.collectGarbage(); err != nil {
		t.Fatal(err)
	}
	before := blobsOf(t, folder)

	// Built anew from other layers: those of the old build are garbage, as is an
	// image that the runtime no longer has.
	b.recipe = "new"
	replaced := testLayer(t, "kube", "1.37, patched")
	putRuntime(t, b, "1.37.2", base, replaced)
	gone, err := b.putImage(image{name: "registry.test/gone:1", role: runtime.RoleImage, layers: []layer{newer}})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.layout.set([]v1.Descriptor{gone}); err != nil {
		t.Fatal(err)
	}
	if err := b.layout.collectGarbage(); err != nil {
		t.Fatal(err)
	}
	opened, err := openLayout(folder)
	if err != nil {
		t.Fatal(err)
	}
	if !opened.isCurrent("1.37.2", "new") || !opened.isCurrent("1.36.3", "old") {
		t.Error("a runtime is not complete any more")
	}
	if _, ok := opened.find("registry.test/gone:1"); ok {
		t.Error("an image of no runtime is still named")
	}
	after := blobsOf(t, folder)
	if len(after) != len(before) || slices.Contains(after, newer.Digest[len("sha256:"):]) {
		t.Errorf("%d blobs, want %d, without the old layer", len(after), len(before))
	}
	if _, err := os.Stat(newer.path); err != nil {
		t.Errorf("the layer is gone from the cache as well: %v", err)
	}
}

func TestReportRuntime(t *testing.T) {
	b := testBuilder(t, filepath.Join(t.TempDir(), "layout"), "recipe")
	base, newer, older := testLayer(t, "base", "base"), testLayer(t, "kube", "1.37"), testLayer(t, "kube", "1.36 is longer")
	putRuntime(t, b, "1.37.2", base, newer)
	putRuntime(t, b, "1.36.3", base, older)
	seen := make(map[string]bool)
	first, err := b.layout.reportRuntime("1.37.2", seen)
	if err != nil {
		t.Fatal(err)
	}
	second, err := b.layout.reportRuntime("1.36.3", seen)
	if err != nil {
		t.Fatal(err)
	}
	if first.AddedBytes != first.Bytes {
		t.Errorf("the first adds %d bytes of %d", first.AddedBytes, first.Bytes)
	}
	// Shared are the base and the empty config of documents.
	if want := second.Bytes - base.Size - 2; second.AddedBytes != want {
		t.Errorf("the second adds %d bytes, want %d", second.AddedBytes, want)
	}
	want := []LayerReport{
		{Name: "base", Components: "base=1.0.0, debian=bookworm", Bytes: base.Size, UncompressedBytes: base.TarSize},
		{Name: "kube", Components: "kube=1.0.0, debian=bookworm", Bytes: newer.Size, UncompressedBytes: newer.TarSize},
	}
	if !slices.Equal(first.Layers, want) {
		t.Errorf("layers %+v, want %+v", first.Layers, want)
	}
}

func TestPutLayerCopies(t *testing.T) {
	b := testBuilder(t, filepath.Join(t.TempDir(), "layout"), "recipe")
	made := testLayer(t, "kube", "kube")
	target := filepath.Join(t.TempDir(), "copy")
	if err := copyFile(made.path, target); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(target)
	if err != nil || info.Size() != made.Size || info.Mode().Perm() != 0o644 {
		t.Errorf("the copy is %v (%v)", info, err)
	}
	made.path = filepath.Join(t.TempDir(), "gone")
	if _, err := b.layout.putLayer(made); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want %v", err, os.ErrNotExist)
	}
	if blobs := blobsOf(t, b.layout.folder); len(blobs) > 0 {
		t.Errorf("a failure left %q", blobs)
	}
}

// decode reads a blob of the layout.
func decode[T any](t *testing.T, l *layout, digest v1.Hash) T {
	t.Helper()
	content, err := os.ReadFile(l.blobPath(digest))
	if err != nil {
		t.Fatal(err)
	}
	var value T
	if err := json.Unmarshal(content, &value); err != nil {
		t.Fatal(err)
	}
	return value
}

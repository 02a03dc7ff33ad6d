package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/store"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// source makes images in memory.
type source struct{ bundle.Memory }

func (s source) ReadManifest(_ context.Context, digest v1.Hash) ([]byte, error) {
	content, ok := s.Memory[digest]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return content, nil
}

func (s source) add(t *testing.T, mediaType types.MediaType, value any) v1.Descriptor {
	t.Helper()
	content, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	descriptor := s.Add(content)
	descriptor.MediaType = mediaType
	return descriptor
}

func (s source) layer(text string) v1.Descriptor {
	descriptor := s.Add([]byte(text))
	descriptor.MediaType = types.OCILayer
	return descriptor
}

func (s source) image(t *testing.T, layers ...v1.Descriptor) v1.Descriptor {
	t.Helper()
	config := s.add(t, types.OCIConfigJSON, v1.ConfigFile{Architecture: "amd64", OS: "linux"})
	return s.add(t, types.OCIManifestSchema1, v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: config, Layers: layers,
	})
}

func (s source) index(t *testing.T, manifests ...v1.Descriptor) v1.Descriptor {
	t.Helper()
	return s.add(t, types.OCIImageIndex, v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: manifests})
}

// fixture has an image, and a sparse index of which the source has one manifest.
func fixture(t *testing.T) (source, []store.Image) {
	t.Helper()
	from := source{bundle.Memory{}}
	base := from.layer(strings.Repeat("base", 1000))
	plain := from.image(t, base, from.layer("nginx"))
	present := from.image(t, base)
	absent := v1.Descriptor{MediaType: types.OCIManifestSchema1, Size: 100, Digest: v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("e", 64)}}
	sparse := from.index(t, present, absent)
	return from, []store.Image{
		{Name: "docker.io/library/nginx:1.27", Descriptor: plain},
		{Name: "registry.example:5000/team/web@" + sparse.Digest.String(), Descriptor: sparse, Present: []v1.Hash{present.Digest}},
	}
}

func files(t *testing.T, root string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		relative, _ := filepath.Rel(root, path)
		found[relative] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestImport(t *testing.T) {
	ctx, root := t.Context(), t.TempDir()
	from, images := fixture(t)
	s := store.New(root)
	for _, image := range images {
		if has, err := s.Has(ctx, image.Name); err != nil || has {
			t.Errorf("%s is there before: %v %v", image.Name, has, err)
		}
	}
	if err := s.Import(ctx, from, images, store.Options{}); err != nil {
		t.Fatal(err)
	}
	for _, image := range images {
		if has, err := s.Has(ctx, image.Name); err != nil || !has {
			t.Errorf("%s: has %v %v", image.Name, has, err)
		}
		if digest, err := s.Resolve(image.Name); err != nil || digest != image.Descriptor.Digest {
			t.Errorf("%s is %s, %v", image.Name, digest, err)
		}
	}
	hosts, err := s.Hosts()
	if diff := cmp.Diff([]string{"docker.io", "registry.example:5000"}, hosts); diff != "" || err != nil {
		t.Errorf("hosts (-want +got), %v:\n%s", err, diff)
	}
	// Again, nothing changes and nothing is copied.
	before := files(t, root)
	copied := int64(0)
	if err := s.Import(ctx, from, images, store.Options{Progress: func(n, _ int64) { copied += n }}); err != nil || copied != 0 {
		t.Errorf("a second import copies %d bytes, %v", copied, err)
	}
	if diff := cmp.Diff(before, files(t, root)); diff != "" {
		t.Errorf("a second import changes files:\n%s", diff)
	}
	for digest := range from.Memory {
		if err := s.Verify(ctx, digest); err != nil {
			t.Error(err)
		}
	}
}

// TestImportDamaged names what is damaged, and leaves nothing that looks whole.
func TestImportDamaged(t *testing.T) {
	ctx, root := t.Context(), t.TempDir()
	from, images := fixture(t)
	layer := from.layer("nginx")
	from.Memory[layer.Digest] = []byte("ngiNx")
	s := store.New(root)
	err := s.Import(ctx, from, images, store.Options{})
	if err == nil || !strings.Contains(err.Error(), layer.Digest.String()) || len(cli.Hints(err)) == 0 {
		t.Errorf("error %v with hints %q", err, cli.Hints(err))
	}
	if has, err := s.Has(ctx, images[0].Name); has || err != nil {
		t.Errorf("a damaged image is there: %v", err)
	}
	from.Memory[layer.Digest] = []byte("nginx")
	if err := s.Import(ctx, from, images, store.Options{}); err != nil {
		t.Errorf("after the repair: %v", err)
	}
}

// TestHas notices whatever is missing or cut off, and Import repairs it.
func TestHas(t *testing.T) {
	ctx, root := t.Context(), t.TempDir()
	from, images := fixture(t)
	s := store.New(root)
	if err := s.Import(ctx, from, images, store.Options{}); err != nil {
		t.Fatal(err)
	}
	whole := files(t, root)
	for name := range whole {
		for _, damage := range []func(string) error{os.Remove, func(path string) error { return os.Truncate(path, 0) }} {
			if strings.Contains(name, "/index/") || strings.Contains(name, "/_layers/") {
				continue // only the registry reads them
			}
			if err := damage(filepath.Join(root, name)); err != nil {
				t.Fatal(err)
			}
			complete := true
			for _, image := range images {
				has, err := s.Has(ctx, image.Name)
				complete = complete && has && err == nil
			}
			if complete && !strings.Contains(name, "/revisions/") {
				t.Errorf("nobody notices that %s is damaged", name)
			}
			if err := s.Import(ctx, from, images, store.Options{}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(whole, files(t, root)); diff != "" {
				t.Fatalf("%s is not repaired:\n%s", name, diff)
			}
		}
	}
}

func TestVerify(t *testing.T) {
	root := t.TempDir()
	from, images := fixture(t)
	s := store.New(root)
	if err := s.Import(t.Context(), from, images, store.Options{}); err != nil {
		t.Fatal(err)
	}
	digest := from.layer("nginx").Digest
	path := filepath.Join(root, "docker/registry/v2/blobs/sha256", digest.Hex[:2], digest.Hex, "data")
	if err := os.WriteFile(path, []byte("ngiNx"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context(), digest); err == nil {
		t.Error("a damaged blob passes")
	}
	if err := s.Verify(t.Context(), v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 64)}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing blob: %v", err)
	}
	if err := s.Verify(t.Context(), v1.Hash{Algorithm: "sha256", Hex: "../../x"}); err == nil {
		t.Error("a digest that is a path passes")
	}
}

func TestParseReference(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	for text, want := range map[string]string{
		"docker.io/library/nginx:1.27":                 "docker.io/library/nginx:1.27",
		"registry.example:5000/a/b:x":                  "registry.example_5000/a/b:x",
		"registry.example:5000/a/b@" + digest:          "registry.example_5000/a/b@" + digest,
		"ghcr.io/a/b:x@" + digest:                      "ghcr.io/a/b:x@" + digest,
		"nginx":                                        "",
		"docker.io/library/nginx":                      "",
		"docker.io/../../etc:1":                        "",
		"docker.io/a//b:1":                             "",
		"docker.io/A/b:1":                              "",
		"docker.io/a/b:../x":                           "",
		"docker.io/a/b@sha256:12":                      "",
		"docker.io/" + strings.Repeat("a", 300) + ":1": "",
	} {
		reference, err := store.ParseReference(text)
		if want == "" {
			if err == nil {
				t.Errorf("%q is %s, want an error", text, reference)
			}
			continue
		}
		if err != nil || reference.String() != want {
			t.Errorf("%q is %s, %v, want %s", text, reference, err, want)
		}
	}
}

func FuzzParseReference(f *testing.F) {
	f.Add("docker.io/library/nginx:1.27")
	f.Add("a:1/b@sha256:" + strings.Repeat("a", 64))
	f.Fuzz(func(t *testing.T, text string) {
		reference, err := store.ParseReference(text)
		if err != nil {
			return
		}
		if !filepath.IsLocal(reference.Repository) || strings.ContainsAny(reference.Tag, "/\\") {
			t.Errorf("%q leads to %+v", text, reference)
		}
	})
}

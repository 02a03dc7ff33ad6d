package database

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// many returns contents of several pages.
func many() Contents {
	contents := Contents{Blobs: map[v1.Hash]int64{}}
	for i := range 2000 {
		digest := v1.Hash{Algorithm: "sha256", Hex: fmt.Sprintf("%064x", i*7919)}
		contents.Blobs[digest] = int64(i)
		if i%10 == 0 {
			contents.Packages = append(contents.Packages, Package{
				Name: fmt.Sprintf("registry.example/image%04d:1", i), Type: "image", Digest: digest, Size: int64(i),
				Labels: map[string]string{"b": "2", "a": "1", "c": strings.Repeat("3", i)},
			})
		}
	}
	return contents
}

func TestReadReturnsWhatRenderGot(t *testing.T) {
	content, err := Render(many())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "gravity.db")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(many(), got); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

// TestRenderIsReproducible renders often, under another temporary folder and
// with packages in another order: bbolt goes through maps.
func TestRenderIsReproducible(t *testing.T) {
	first, err := Render(many())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", t.TempDir())
	contents := many()
	contents.Packages[0], contents.Packages[7] = contents.Packages[7], contents.Packages[0]
	for range 20 {
		second, err := Render(contents)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, second) {
			t.Fatal("two databases of equal contents differ")
		}
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) != 0 {
		t.Errorf("%v is left, error %v", left, err)
	}
}

func TestRenderRefusesTwoOfOneName(t *testing.T) {
	contents := Contents{Packages: []Package{{Name: "a:1"}, {Name: "a:1"}}}
	if _, err := Render(contents); err == nil || !strings.Contains(err.Error(), "a:1") {
		t.Errorf("error %v does not name the package", err)
	}
}

func TestReadRefusesOtherFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gravity.db")
	if err := os.WriteFile(path, bytes.Repeat([]byte("no database "), 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v does not name the file", err)
	}
}

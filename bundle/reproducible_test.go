package bundle_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
)

// TestBytesDependOnContentsOnly writes the same bundle under another umask, in
// another folder, time zone and order, from files instead of memory, over an
// existing file, one blob at a time.
func TestBytesDependOnContentsOnly(t *testing.T) {
	contents := complete()
	first := readFile(t, write(t, contents))

	defer syscall.Umask(syscall.Umask(0o077))
	zone := time.Local
	time.Local = time.FixedZone("elsewhere", -7*3600)
	defer func() { time.Local = zone }()
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	slices.Reverse(contents.Images)
	slices.Reverse(contents.Runtimes)
	contents.Source = filesOf(t, contents.Source.(*blobs))
	path := filepath.Join(t.TempDir(), "other", "name.tar")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Repeat([]byte("old"), 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Write(t.Context(), path, contents, bundle.Options{Parallel: 1}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, readFile(t, path)) {
		t.Error("two bundles of equal contents differ")
	}
}

// TestBundleIsASource writes a bundle from the blobs of its own tar.
func TestBundleIsASource(t *testing.T) {
	contents := complete()
	path := write(t, contents)
	program := bundle.Memory{}
	program.Add(contents.Source.(*blobs).Memory[contents.Gravity.Digest])
	contents.Source = bundle.Sources{open(t, path), program}
	if !bytes.Equal(readFile(t, path), readFile(t, write(t, contents))) {
		t.Error("the copy of a bundle differs")
	}
}

// filesOf stores blobs as files, half of them as a layout.
func filesOf(t *testing.T, source *blobs) bundle.BlobSource {
	t.Helper()
	folder := t.TempDir()
	files, layout := bundle.Files{}, filepath.Join(folder, "blobs", "sha256")
	if err := os.MkdirAll(layout, 0o755); err != nil {
		t.Fatal(err)
	}
	for digest, content := range source.Memory {
		path := filepath.Join(layout, digest.Hex)
		if digest.Hex[0]%2 == 0 {
			path = filepath.Join(folder, digest.Hex)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		if digest.Hex[0]%2 == 0 {
			if added, err := files.Add(path); err != nil || added.Digest != digest {
				t.Fatalf("%v, error %v", added, err)
			}
		}
	}
	return bundle.Sources{files, bundle.Layout(folder)}
}

// TestFormatStays has the digest of a bundle. It may change with the texts
// beside the packages and, through gravity.db, with bbolt; with anything else
// Format has to change as well.
func TestFormatStays(t *testing.T) {
	const want = "sha256:1c1ba60ec5ad12e83ccec20a597af168192ea2184c52815c05790df2fed2270c"
	got, _, err := v1.SHA256(bytes.NewReader(readFile(t, write(t, complete()))))
	if err != nil || got.String() != want {
		t.Errorf("digest %s, want %s, error %v", got, want, err)
	}
}

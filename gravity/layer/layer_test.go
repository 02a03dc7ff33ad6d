package layer_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/layer"
)

const (
	plain      = "application/vnd.oci.image.layer.v1.tar"
	compressed = "application/vnd.oci.image.layer.v1.tar+zstd"
)

func pack(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var content bytes.Buffer
	archive := tar.NewWriter(&content)
	for _, header := range headers {
		header.Uid, header.Gid = os.Getuid(), os.Getgid()
		text := []byte(header.PAXRecords["test.content"])
		header.PAXRecords = nil
		header.Size = int64(len(text))
		if err := archive.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return content.Bytes()
}

func file(name, text string, mode int64) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: mode, PAXRecords: map[string]string{"test.content": text}}
}

func extract(t testing.TB, folder string, layers ...[]byte) error {
	t.Helper()
	root, err := layer.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, content := range layers {
		if err := root.Extract(t.Context(), bytes.NewReader(content), plain); err != nil {
			return err
		}
	}
	return nil
}

func TestExtract(t *testing.T) {
	folder := t.TempDir()
	lower := pack(t,
		tar.Header{Name: "usr/", Typeflag: tar.TypeDir, Mode: 0o755},
		tar.Header{Name: "usr/lib/", Typeflag: tar.TypeDir, Mode: 0o755},
		tar.Header{Name: "lib", Typeflag: tar.TypeSymlink, Linkname: "usr/lib"},
		file("usr/lib/old", "old", 0o644), file("gone", "x", 0o600), file("dir/a", "a", 0o600), file("replaced", "1", 0o600),
		file("su", "program", 0o4755), tar.Header{Name: "hard", Typeflag: tar.TypeLink, Linkname: "su"},
		tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777},
		tar.Header{Name: "absolute", Typeflag: tar.TypeSymlink, Linkname: "/etc/shadow"},
	)
	upper := pack(t,
		tar.Header{Name: "lib/", Typeflag: tar.TypeDir, Mode: 0o755},
		file("lib/new", "new", 0o644), file(".wh.gone", "", 0o600), file("dir/.wh..wh..opq", "", 0o600), file("dir/b", "b", 0o600),
		tar.Header{Name: "replaced", Typeflag: tar.TypeSymlink, Linkname: "su"},
		file("absolute", "now a file", 0o600),
	)
	if err := extract(t, folder, lower, upper); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"usr/lib/old": "old", "usr/lib/new": "new", "dir/b": "b", "replaced": "program", "hard": "program", "absolute": "now a file",
	} {
		if got, err := os.ReadFile(filepath.Join(folder, name)); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v, want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"gone", "dir/a"} {
		if _, err := os.Lstat(filepath.Join(folder, name)); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
	if target, err := os.Readlink(filepath.Join(folder, "lib")); err != nil || target != "usr/lib" {
		t.Errorf("the link lib became %q, %v", target, err)
	}
	for name, want := range map[string]os.FileMode{"su": 0o755 | os.ModeSetuid, "tmp": 0o777 | os.ModeSticky | os.ModeDir} {
		if info, err := os.Stat(filepath.Join(folder, name)); err != nil || info.Mode() != want {
			t.Errorf("%s has mode %v, %v, want %v", name, info.Mode(), err, want)
		}
	}
}

func TestExtractCompressed(t *testing.T) {
	var content bytes.Buffer
	writer, err := zstd.NewWriter(&content)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := writer.Write(pack(t, file("a", "text", 0o600))); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	root, err := layer.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := root.Extract(t.Context(), &content, compressed); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(folder, "a")); err != nil || string(got) != "text" {
		t.Errorf("a is %q, %v", got, err)
	}
}

// TestExtractStaysInside tries to get out of the folder.
func TestExtractStaysInside(t *testing.T) {
	for name, headers := range map[string][]tar.Header{
		"dots":             {file("../outside", "x", 0o600)},
		"absolute":         {file("/outside", "x", 0o600)},
		"link to parent":   {{Name: "a", Typeflag: tar.TypeSymlink, Linkname: ".."}, file("a/outside", "x", 0o600)},
		"link to root":     {{Name: "a", Typeflag: tar.TypeSymlink, Linkname: "/"}, file("a/outside", "x", 0o600)},
		"folder over link": {{Name: "a", Typeflag: tar.TypeSymlink, Linkname: ".."}, {Name: "a/", Typeflag: tar.TypeDir, Mode: 0o777}, file("a/outside", "x", 0o600)},
		"hard link":        {{Name: "a", Typeflag: tar.TypeLink, Linkname: "../secret"}},
		"hard link by link": {
			{Name: "a", Typeflag: tar.TypeSymlink, Linkname: ".."}, {Name: "b", Typeflag: tar.TypeLink, Linkname: "a/secret"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			folder := filepath.Join(parent, "root")
			if err := os.Mkdir(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(parent, "secret"), []byte("secret"), 0o600); err != nil {
				t.Fatal(err)
			}
			err := extract(t, folder, pack(t, headers...))
			if _, statErr := os.Lstat(filepath.Join(parent, "outside")); statErr == nil {
				t.Errorf("a file was written outside (%v)", err)
			}
			for _, name := range []string{"a", "b"} {
				if got, _ := os.ReadFile(filepath.Join(folder, name)); string(got) == "secret" {
					t.Errorf("a file from outside is inside (%v)", err)
				}
			}
		})
	}
}

func TestExtractRefuses(t *testing.T) {
	device := pack(t, tar.Header{Name: "null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3})
	if err := extract(t, t.TempDir(), device); err == nil {
		t.Error("a device is extracted")
	}
	cut := pack(t, file("a", "0123456789", 0o600))
	if err := extract(t, t.TempDir(), cut[:515]); err == nil {
		t.Error("a layer that was cut off is extracted")
	}
}

// TestExtractLimit wants sizes that add up to more than a number holds to be too
// many, too.
func TestExtractLimit(t *testing.T) {
	var content bytes.Buffer
	archive := tar.NewWriter(&content)
	if err := archive.WriteHeader(&tar.Header{Name: "a", Typeflag: tar.TypeReg, Mode: 0o600, Size: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := archive.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := archive.WriteHeader(&tar.Header{Name: "b", Typeflag: tar.TypeReg, Mode: 0o600, Size: math.MaxInt64 - 1024}); err != nil {
		t.Fatal(err)
	}
	if err := extract(t, t.TempDir(), content.Bytes()); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("error %v", err)
	}
}

// damaged fails at its end, as sources do that compare digests.
type damaged struct{ io.Reader }

var errDamaged = errors.New("damaged")

func (d damaged) Read(p []byte) (int, error) {
	n, err := d.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = errDamaged
	}
	return n, err
}

// TestExtractReadsAll wants what a source says at its end, which lies behind the
// last entry.
func TestExtractReadsAll(t *testing.T) {
	root, err := layer.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	content := append(pack(t, file("a", "text", 0o600)), make([]byte, 8192)...)
	if err := root.Extract(t.Context(), damaged{bytes.NewReader(content)}, plain); !errors.Is(err, errDamaged) {
		t.Errorf("error %v", err)
	}
}

func FuzzExtract(f *testing.F) {
	f.Add(pack(f, file("a/b", "text", 0o600), tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "../.."}))
	f.Fuzz(func(t *testing.T, content []byte) {
		parent := t.TempDir()
		folder := filepath.Join(parent, "root")
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		root, err := layer.Open(folder)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		_ = root.Extract(t.Context(), io.LimitReader(bytes.NewReader(content), 1<<20), plain)
		entries, err := os.ReadDir(parent)
		if err != nil || len(entries) != 1 {
			t.Errorf("%v lie outside (%v)", entries, err)
		}
	})
}

package sbom_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/sbom"
)

// scan returns the names and versions of what is in an image of some layers.
func scan(t *testing.T, layers ...[]byte) (string, error) {
	t.Helper()
	b := blobs{t, bundle.Memory{}}
	var descriptors []v1.Descriptor
	for _, layer := range layers {
		descriptors = append(descriptors, b.put(types.OCILayer, layer))
	}
	found, err := (&sbom.Scanner{Source: b.Memory}).Packages(t.Context(), descriptors...)
	var names []string
	for _, one := range found {
		names = append(names, one.Name+" "+one.Version)
	}
	return strings.Join(names, ", "), err
}

const (
	oneDebian   = "Package: a\nVersion: 1\n"
	otherDebian = "Package: a\nVersion: 2\n\nPackage: b\nVersion: 1\n"
	status      = "var/lib/dpkg/status"
	database    = "lib/apk/db/installed"
	oneAlpine   = "P:x\nV:3\n"
)

// TestFinalState has layers that change what those below them have.
func TestFinalState(t *testing.T) {
	base := tarOf(t,
		file{name: "./" + status, content: oneDebian}, file{name: database, content: oneAlpine},
		file{name: "/var/lib/dpkg/status.d/one", content: "Package: d1\nVersion: 1\n"},
		file{name: "var/lib/dpkg/status.d/two", content: "Package: d2\nVersion: 1\n"},
		file{name: "var/lib/dpkg/status.d/two.md5sums", content: "Package: none\nVersion: 1\n"})
	for name, test := range map[string]struct {
		upper []file
		want  string
	}{
		"nothing":                        {nil, "a 1, d1 1, d2 1, x 3"},
		"other files":                    {[]file{{name: "etc/passwd", content: "root"}, {name: "var/lib/dpkg/status-old", content: otherDebian}}, "a 1, d1 1, d2 1, x 3"},
		"folders again":                  {[]file{{name: "var/"}, {name: "var/lib/dpkg/"}, {name: "var/lib/dpkg/status.d/"}}, "a 1, d1 1, d2 1, x 3"},
		"replaced":                       {[]file{{name: status, content: otherDebian}}, "a 2, b 1, d1 1, d2 1, x 3"},
		"removed":                        {[]file{{name: "var/lib/dpkg/.wh.status"}}, "d1 1, d2 1, x 3"},
		"removed package":                {[]file{{name: "var/lib/dpkg/status.d/.wh.one"}}, "a 1, d2 1, x 3"},
		"removed folder":                 {[]file{{name: "var/lib/.wh.dpkg"}}, "x 3"},
		"removed and made again":         {[]file{{name: status, content: otherDebian}, {name: "var/.wh.lib"}}, "a 2, b 1, x 3"},
		"emptied folder":                 {[]file{{name: "var/lib/dpkg/.wh..wh..opq"}, {name: status, content: otherDebian}}, "a 2, b 1, x 3"},
		"emptied root":                   {[]file{{name: ".wh..wh..opq"}}, ""},
		"another folder emptied":         {[]file{{name: "var/lib/dpkgs/.wh..wh..opq"}, {name: "var/lib/.wh.dpk"}}, "a 1, d1 1, d2 1, x 3"},
		"folder becomes a link":          {[]file{{name: "lib", link: "usr/lib"}}, "a 1, d1 1, d2 1"},
		"folder becomes a file":          {[]file{{name: "var/lib/dpkg", content: "x"}}, "x 3"},
		"file becomes a folder":          {[]file{{name: database + "/"}}, "a 1, d1 1, d2 1"},
		"paths cannot lead out":          {[]file{{name: "../../" + status, content: otherDebian}}, "a 2, b 1, d1 1, d2 1, x 3"},
		"the same name somewhere else":   {[]file{{name: "srv/" + status, content: otherDebian}}, "a 1, d1 1, d2 1, x 3"},
		"apk where it will be":           {[]file{{name: "usr/" + database, content: "P:y\nV:1\n"}}, "a 1, d1 1, d2 1, x 3, y 1"},
		"the same package in two places": {[]file{{name: "usr/" + database, content: oneAlpine}}, "a 1, d1 1, d2 1, x 3"},
	} {
		upper := tarOf(t, test.upper...)
		for _, layers := range [][][]byte{{base, upper}, {gzipOf(t, base), zstdOf(t, upper)}, {zstdOf(t, base), gzipOf(t, upper)}} {
			if got, err := scan(t, layers...); err != nil || got != test.want {
				t.Errorf("%s: %q (%v), want %q", name, got, err, test.want)
			}
		}
	}
}

func TestPackages(t *testing.T) {
	b := blobs{t, bundle.Memory{}}
	layer := b.put(types.OCILayer, gzipOf(t, tarOf(t,
		file{name: "usr/lib/os-release", content: "NAME=\"Debian\"\nID=debian\nVERSION_ID='12'\n"}, file{name: "etc/os-release", link: "../usr/lib/os-release"},
		file{name: status, content: debian}, file{name: database, content: alpine})))
	found, err := (&sbom.Scanner{Source: b.Memory}).Packages(t.Context(), layer)
	if err != nil {
		t.Fatal(err)
	}
	want := []sbom.Installed{
		{Kind: "deb", Name: "bash", Version: "1:5.2~rc1-2+b13", Architecture: "amd64", Distribution: "debian", Release: "12"},
		{Kind: "deb", Name: "libc6", Version: "2.36-9+deb12u15", Architecture: "amd64", Source: "glibc", Distribution: "debian", Release: "12"},
		{Kind: "apk", Name: "libcrypto3", Version: "3.5.4-r0", Architecture: "x86_64", Source: "openssl", License: "Apache-2.0 AND not a licence", Distribution: "debian", Release: "12"},
		{Kind: "apk", Name: "musl", Version: "1.2.5-r9", Architecture: "x86_64", License: "MIT", Distribution: "debian", Release: "12"},
	}
	if difference := cmp.Diff(want, found); difference != "" {
		t.Errorf("mismatch (-want +got):\n%s", difference)
	}
}

// counting counts how often blobs are read.
type counting struct {
	bundle.BlobSource
	opened atomic.Int32
}

func (c *counting) Open(ctx context.Context, digest v1.Hash) (io.ReadCloser, error) {
	c.opened.Add(1)
	return c.BlobSource.Open(ctx, digest)
}

func TestCacheOfLayers(t *testing.T) {
	b := blobs{t, bundle.Memory{}}
	base := b.put(types.OCILayer, tarOf(t, file{name: status, content: oneDebian}))
	upper := b.put(types.OCILayer, tarOf(t, file{name: "var/lib/dpkg/.wh.status"}, file{name: database, content: oneAlpine}))
	source := &counting{BlobSource: b.Memory}
	folder := filepath.Join(t.TempDir(), "packages")
	var first []sbom.Installed
	for run, want := range []int32{2, 2, 3} {
		if run == 2 {
			// A file that is damaged is made again.
			kept, err := filepath.Glob(filepath.Join(folder, base.Digest.Hex+"*"))
			if err != nil || len(kept) != 1 || os.WriteFile(kept[0], []byte(`{"files`), 0o600) != nil {
				t.Fatalf("kept %v, error %v", kept, err)
			}
		}
		found, err := (&sbom.Scanner{Source: source, Cache: folder}).Packages(t.Context(), base, upper)
		if err != nil || source.opened.Load() != want {
			t.Errorf("run %d: %d layers were read, error %v", run, source.opened.Load(), err)
		}
		if run == 0 {
			first = found
		}
		if difference := cmp.Diff(first, found); difference != "" || len(found) != 1 {
			t.Errorf("run %d: mismatch (-want +got):\n%s", run, difference)
		}
	}
}

func TestBadLayers(t *testing.T) {
	good := gzipOf(t, tarOf(t, file{name: status, content: oneDebian}))
	for name, test := range map[string]struct {
		layer   []byte
		message string
	}{
		"no tar":           {[]byte(strings.Repeat("x", 2000)), "invalid tar header"},
		"nothing":          {nil, ""},
		"half of a gzip":   {good[:len(good)/2], "unexpected EOF"},
		"half of a zstd":   {zstdOf(t, tarOf(t, file{name: "a"}))[:20], "unexpected EOF"},
		"a very long line": {tarOf(t, file{name: status, content: "Package: " + strings.Repeat("x", 2<<20)}), "line 1: bufio.Scanner: token too long"},
	} {
		if _, err := scan(t, test.layer); test.message == "" && err != nil || test.message != "" && (err == nil || !strings.Contains(err.Error(), test.message)) {
			t.Errorf("%s: error %v, want %q", name, err, test.message)
		}
	}
	// Of what is damaged, that is the error, and nothing is kept.
	b := blobs{t, bundle.Memory{}}
	layer := b.put(types.OCILayer, good)
	for _, content := range [][]byte{good[:40], bytes.Replace(good, good[30:31], []byte("!"), 1), append(slices.Clip(good), "more"...)} {
		b.Memory[layer.Digest] = content
		folder := t.TempDir()
		_, err := (&sbom.Scanner{Source: b.Memory, Cache: folder}).Packages(t.Context(), layer)
		var damaged *bundle.DamagedError
		if !errors.As(err, &damaged) || damaged.Digest != layer.Digest {
			t.Errorf("error %v", err)
		}
		if kept, err := os.ReadDir(folder); err != nil || len(kept) != 0 {
			t.Errorf("kept %v, error %v", kept, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (&sbom.Scanner{Source: b.Memory}).Packages(ctx, layer); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

package sbom

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-containerregistry/pkg/name"
)

// checkInstalled looks for what would make a document invalid.
func checkInstalled(t *testing.T, found []Installed) {
	t.Helper()
	for _, one := range found {
		p := one.describe()
		if one.Name == "" || one.Version == "" || strings.ContainsAny(p.Name+p.VersionInfo, "\r\n") || !utf8.ValidString(p.Name+p.VersionInfo) {
			t.Errorf("installed %+v", one)
		}
		if !validID.MatchString(p.SPDXID) || strings.ContainsAny(p.ExternalRefs[0].Locator, " \t\r\n+\"") {
			t.Errorf("package %+v", p)
		}
	}
}

func FuzzDpkg(f *testing.F) {
	f.Add([]byte("Package: a\nStatus: install ok installed\nVersion: 1:2~3+b4\nSource: b (1)\nDescription: c\n d\n\nPackage: e\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if found, err := parseDpkg(bytes.NewReader(content)); err == nil {
			checkInstalled(t, found)
		}
	})
}

func FuzzApk(f *testing.F) {
	f.Add([]byte("C:Q1=\nP:musl\nV:1.2.5-r9\nA:x86_64\nL:MIT AND (GPL-2.0-only OR BSD-2-Clause)\no:musl\n\nP:b\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if found, err := parseApk(bytes.NewReader(content)); err == nil {
			checkInstalled(t, found)
		}
	})
}

func FuzzRelease(f *testing.F) {
	f.Add([]byte("ID=debian\nVERSION_ID=\"12\"\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if file, err := parseRelease(bytes.NewReader(content)); err == nil {
			checkInstalled(t, []Installed{{Kind: KindDebian, Name: "a", Version: "1", Distribution: file.Distribution, Release: file.Release}})
		}
	})
}

func FuzzLicense(f *testing.F) {
	f.Add("MIT OR (Apache-2.0 AND GPL-2.0-or-later WITH Classpath-exception-2.0)")
	f.Fuzz(func(t *testing.T, text string) {
		if got := license(text); got != unknown && license(got) != got {
			t.Errorf("%q becomes %q, which becomes %q", text, got, license(got))
		}
	})
}

// FuzzTag compares the tag with what is asked for in a registry.
func FuzzTag(f *testing.F) {
	f.Add("quay.example:5000/a/b:1.0@sha256:0000000000000000000000000000000000000000000000000000000000000000")
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := name.ParseReference(text)
		if err != nil {
			return
		}
		if tag, ok := parsed.(name.Tag); ok && tagOf(text) != tag.TagStr() {
			t.Errorf("tag %q of %q", tagOf(text), text)
		}
	})
}

// FuzzLayer looks for layers that break the reading of them.
func FuzzLayer(f *testing.F) {
	f.Add([]byte("\x1f\x8b"))
	f.Add([]byte("\x28\xb5\x2f\xfd"))
	f.Fuzz(func(_ *testing.T, content []byte) {
		facts, err := readCompressed(bytes.NewReader(content))
		if err == nil {
			files := map[string]fileFacts{}
			facts.over(files)
			_ = installed(files)
		}
	})
}

func TestLicense(t *testing.T) {
	for text, want := range map[string]string{
		"MIT": "MIT", " apache-2.0": "Apache-2.0", "GPL-2.0-or-later WITH Classpath-exception-2.0": "GPL-2.0-or-later WITH Classpath-exception-2.0",
		"": unknown, "NOASSERTION": unknown, "GPL": unknown, "MIT and more": unknown, "LicenseRef-Ours": unknown, "MIT OR LicenseRef-Ours": unknown,
		strings.Repeat("MIT OR ", 200) + "MIT": unknown,
	} {
		if got := license(text); got != want {
			t.Errorf("license(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestPackageURL(t *testing.T) {
	for want, got := range map[string][]ExternalRef{
		"pkg:deb/debian/libstdc%2B%2B6@1:2~b%2B1?arch=amd64":              packageURL("deb", "debian/libstdc++6", "1:2~b+1", map[string]string{"arch": "amd64", "distro": ""}),
		"pkg:oci/web@sha256:00?repository_url=a.example:5000/b/web&tag=1": packageURL("oci", "web", "sha256:00", map[string]string{"tag": "1", "repository_url": "a.example:5000/b/web"}),
		"pkg:golang/github.com/a%20b/c":                                   packageURL("golang", "github.com/a b/c", "", nil),
	} {
		if got[0].Locator != want {
			t.Errorf("%s, want %s", got[0].Locator, want)
		}
	}
}

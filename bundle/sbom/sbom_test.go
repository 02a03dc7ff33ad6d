package sbom_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/sbom"
)

var update = flag.Bool("update", false, "write golden files anew")

func written(t testing.TB, contents sbom.Contents) (*sbom.Document, []byte) {
	t.Helper()
	document, err := sbom.New(t.Context(), contents)
	if err != nil {
		t.Fatal(err)
	}
	var content bytes.Buffer
	if err := document.Write(&content); err != nil {
		t.Fatal(err)
	}
	return document, content.Bytes()
}

func TestGolden(t *testing.T) {
	document, content := written(t, complete(t))
	validate(t, document)
	golden := filepath.Join("testdata", "complete.spdx.json")
	if *update {
		if err := os.WriteFile(golden, content, 0o644); err != nil { //nolint:gosec // of the repository
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if difference := cmp.Diff(string(want), string(content)); difference != "" {
		t.Errorf("mismatch (-want +got):\n%s", difference)
	}
}

// validate checks the rules of SPDX 2.3 that can be broken.
func validate(t *testing.T, document *sbom.Document) {
	t.Helper()
	if document.SPDXVersion != "SPDX-2.3" || document.DataLicense != "CC0-1.0" || document.SPDXID != "SPDXRef-DOCUMENT" {
		t.Errorf("document %+v", document)
	}
	if at, err := time.Parse("2006-01-02T15:04:05Z", document.CreationInfo.Created); err != nil || at.IsZero() {
		t.Errorf("created %q", document.CreationInfo.Created)
	}
	if space, err := url.Parse(document.DocumentNamespace); err != nil || !space.IsAbs() || strings.Contains(document.DocumentNamespace, "#") {
		t.Errorf("namespace %q", document.DocumentNamespace)
	}
	known := map[string]bool{document.SPDXID: true}
	purls := map[string]string{}
	for _, p := range document.Packages {
		if known[p.SPDXID] || !validID.MatchString(p.SPDXID) {
			t.Errorf("identifier %q is there twice or not valid", p.SPDXID)
		}
		known[p.SPDXID] = true
		validatePackage(t, p)
		for _, reference := range p.ExternalRefs {
			if other, ok := purls[reference.Locator+p.Comment]; ok {
				t.Errorf("%s and %s are both %s", other, p.SPDXID, reference.Locator)
			}
			purls[reference.Locator+p.Comment] = p.SPDXID
		}
	}
	reached, seen := map[string]bool{document.SPDXID: true}, map[string]bool{}
	for _, link := range document.Relationships {
		key := fmt.Sprint(link.Element, link.Type, link.Related)
		if !known[link.Element] || !known[link.Related] || seen[key] {
			t.Errorf("%+v leads nowhere or is there twice", link)
		}
		if !slices.Contains([]string{"DESCRIBES", "CONTAINS", "DEPENDS_ON"}, link.Type) {
			t.Errorf("type %s", link.Type)
		}
		seen[key], reached[link.Related] = true, true
	}
	for id := range known {
		if !reached[id] {
			t.Errorf("nothing has %s", id)
		}
	}
}

func validatePackage(t *testing.T, p sbom.Package) {
	t.Helper()
	if p.Name == "" || strings.ContainsAny(p.Name+p.VersionInfo+p.Supplier, "\r\n") || p.DownloadLocation == "" || p.FilesAnalyzed {
		t.Errorf("package %+v", p)
	}
	if p.Supplier != "" && !strings.HasPrefix(p.Supplier, "Organization: ") {
		t.Errorf("supplier %q", p.Supplier)
	}
	if !slices.Contains([]string{"", "APPLICATION", "CONTAINER", "ARCHIVE"}, p.Purpose) {
		t.Errorf("purpose %q", p.Purpose)
	}
	for _, sum := range p.Checksums {
		if sum.Algorithm != "SHA256" || len(sum.Value) != 64 {
			t.Errorf("checksum %+v", sum)
		}
	}
	for _, reference := range p.ExternalRefs {
		if reference.Category != "PACKAGE-MANAGER" || reference.Type != "purl" || !strings.HasPrefix(reference.Locator, "pkg:") || strings.ContainsAny(reference.Locator, " \n+") {
			t.Errorf("reference %+v", reference)
		}
	}
}

// TestSame has the same contents in another order, and at another time.
func TestSame(t *testing.T) {
	contents := complete(t)
	first, content := written(t, contents)
	slices.Reverse(contents.Images)
	slices.Reverse(contents.Runtimes)
	if _, again := written(t, contents); !bytes.Equal(content, again) {
		t.Error("the order matters")
	}
	contents.Created = contents.Created.Add(time.Hour)
	later, _ := written(t, contents)
	if later.DocumentNamespace != first.DocumentNamespace || later.CreationInfo.Created == first.CreationInfo.Created {
		t.Error("the namespace depends on the time")
	}
	contents.Images = contents.Images[1:]
	if other, _ := written(t, contents); other.DocumentNamespace == first.DocumentNamespace {
		t.Error("other contents have the same namespace")
	}
}

func TestGravity(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	if output, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "../../tele").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	program, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	contents := sbom.Contents{
		Name: "shop", Version: "1.0.0", Created: time.Unix(0, 0),
		Gravity: &sbom.Program{Version: "9.0.0", File: program, Digest: v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("a", 64)}},
	}
	document, content := written(t, contents)
	validate(t, document)
	if _, again := written(t, contents); !bytes.Equal(content, again) {
		t.Error("made again it has other bytes")
	}
	modules := map[string]bool{}
	for _, p := range document.Packages {
		modules[p.Name] = true
		if p.Name == "gravity" && (p.VersionInfo != "9.0.0" || len(p.Checksums) != 1) {
			t.Errorf("gravity is %+v", p)
		}
	}
	for _, name := range []string{"gravity", "stdlib", "github.com/google/go-containerregistry"} {
		if !modules[name] {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestFailures(t *testing.T) {
	b := blobs{t, bundle.Memory{}}
	digest := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("1", 64)}
	image := b.image(v1.ConfigFile{})
	one := func(reference string, descriptor v1.Descriptor) sbom.Contents {
		return sbom.Contents{Name: "shop", Version: "1.0.0", Source: b.Memory, Images: []bundle.Image{{Reference: reference, Descriptor: descriptor}}}
	}
	of := func(document string) sbom.Contents {
		return sbom.Contents{Name: "shop", Version: "1.0.0", Source: b.Memory, Runtimes: []bundle.Runtime{b.runtime("1.37.2", document)}}
	}
	nested := image
	for range 6 {
		nested = b.index("", nested)
	}
	gravity := sbom.Contents{Gravity: &sbom.Program{File: strings.NewReader("#!/bin/sh")}}
	for message, contents := range map[string]sbom.Contents{
		"image a:1: blob " + digest.String():                          one("a:1", v1.Descriptor{MediaType: image.MediaType, Digest: digest}),
		"image no name: ":                                             one("no name", image),
		"image a:1: manifest " + digest.String() + ` has the type ""`: one("a:1", v1.Descriptor{Digest: digest}),
		"image a:1: indexes lie more than 4 deep":                     one("a:1", nested),
		"gravity: read the modules":                                   gravity,
		"runtime 1.37.2: blob sha256:":                                of("{"),
		"runtime 1.37.2: its bill of materials: it describes nothing": of("{}"),
		"one of two packages":                                         of(`{"packages": [{"SPDXID": "SPDXRef-a"}, {"SPDXID": "SPDXRef-a"}]}`),
		"is no identifier":                                            of(`{"packages": [{"SPDXID": "SPDXRef-a b"}]}`),
		`a relationship leads to "SPDXRef-b"`:                         of(`{"packages": [{"SPDXID": "SPDXRef-a"}], "relationships": [{"spdxElementId": "SPDXRef-a", "relatedSpdxElement": "SPDXRef-b"}]}`),
		`a relationship comes from "SPDXRef-b"`:                       of(`{"packages": [{"SPDXID": "SPDXRef-a"}], "relationships": [{"spdxElementId": "SPDXRef-b", "relatedSpdxElement": "SPDXRef-a"}]}`),
	} {
		if _, err := sbom.New(t.Context(), contents); err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("error %v, want %q", err, message)
		}
	}
	_, err := sbom.New(t.Context(), one("a:1", v1.Descriptor{MediaType: image.MediaType, Digest: digest}))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	for digest, content := range b.Memory {
		b.Memory[digest] = append(content[:len(content)-1:len(content)-1], 'x')
	}
	var damaged *bundle.DamagedError
	if _, err := sbom.New(t.Context(), one("a:1", image)); !errors.As(err, &damaged) || damaged.Digest != image.Digest {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sbom.New(ctx, complete(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestRuntimeWithoutMaterials has a runtime that does not tell what it is made of.
func TestRuntimeWithoutMaterials(t *testing.T) {
	b := blobs{t, bundle.Memory{}}
	document, _ := written(t, sbom.Contents{Name: "shop", Version: "1.0.0", Created: time.Unix(0, 0), Source: b.Memory, Runtimes: []bundle.Runtime{
		{Version: "1.37.2", Descriptor: b.index("", b.image(v1.ConfigFile{}))},
	}})
	validate(t, document)
	if len(document.Packages) != 2 || !strings.Contains(document.Packages[1].Comment, "no bill of materials of its own") {
		t.Errorf("packages %+v", document.Packages)
	}
}

// TestCircle has packages that contain each other.
func TestCircle(t *testing.T) {
	b := blobs{t, bundle.Memory{}}
	circle := `{"packages": [{"name": "a", "SPDXID": "SPDXRef-a"}, {"name": "b", "SPDXID": "SPDXRef-b"}], "relationships": [
		{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-a"},
		{"spdxElementId": "SPDXRef-a", "relationshipType": "CONTAINS", "relatedSpdxElement": "SPDXRef-b"},
		{"spdxElementId": "SPDXRef-b", "relationshipType": "CONTAINS", "relatedSpdxElement": "SPDXRef-a"}]}`
	document, _ := written(t, sbom.Contents{
		Name: "shop", Version: "1.0.0", Created: time.Unix(0, 0), Source: b.Memory, Runtimes: []bundle.Runtime{b.runtime("1.37.2", circle)},
	})
	validate(t, document)
}

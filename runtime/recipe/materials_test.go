package recipe

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// shared is a folder of all tests of this package.
var shared string

func TestMain(m *testing.M) {
	var err error
	if shared, err = os.MkdirTemp("", "gravity-recipe-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(shared)
	os.Exit(code)
}

// compileProgram compiles a program of this repository that has dependencies.
var compileProgram = sync.OnceValues(func() (string, error) {
	path := filepath.Join(shared, "program")
	output, err := exec.Command("go", "build", "-buildvcs=false", "-o", path, "../../tele").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, output)
	}
	return path, nil
})

// materialsOf lists what the given programs consist of, all of which are the
// same executable.
func materialsOf(t *testing.T, names ...string) []byte {
	t.Helper()
	path, err := compileProgram()
	if err != nil {
		t.Fatal(err)
	}
	var executables []executable
	for _, name := range names {
		executables = append(executables, executable{program{name: name, version: "1.0.0"}, path})
	}
	b := &builder{catalogue: &runtime.Catalogue{SourceDate: sourceDate}, source: checkout}
	content, err := b.billOfMaterials(runtime.Release{Version: "1.37.2"}, executables)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestBillOfMaterials(t *testing.T) {
	var document spdxDocument
	decoder := json.NewDecoder(bytes.NewReader(materialsOf(t, "etcd", "kube")))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&document); err != nil {
		t.Fatal(err)
	}
	if document.SPDXVersion != "SPDX-2.3" || document.CreationInfo.Created != "2026-11-01T00:00:00Z" {
		t.Errorf("the document is %s of %s", document.SPDXVersion, document.CreationInfo.Created)
	}
	packages := checkPackages(t, document)
	checkRelationships(t, document)

	programs := []string{"SPDXRef-program-etcd-1.0.0", "SPDXRef-program-kube-1.0.0"}
	for id, version := range map[string]string{programs[0]: "1.0.0", programs[1]: "1.0.0", spdxRoot: "1.37.2"} {
		if packages[id].VersionInfo != version {
			t.Errorf("%s has version %q, want %q", id, packages[id].VersionInfo, version)
		}
	}
	checkModules(t, document, packages, programs)
	checkDebianPackages(t, packages)
}

// checkModules wants every module of the executable to be listed once, and
// related to each of the programs.
func checkModules(t *testing.T, document spdxDocument, packages map[string]spdxPackage, programs []string) {
	t.Helper()
	path, err := compileProgram()
	if err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	modules := map[string]string{"stdlib": strings.TrimPrefix(info.GoVersion, "go")}
	for _, module := range info.Deps {
		modules[module.Path] = module.Version
	}
	if len(modules) < 3 {
		t.Errorf("the executable has only the modules %v", modules)
	}
	for name, version := range modules {
		id := spdxID("go", name, version)
		if got := packages[id]; got.Name != name || got.VersionInfo != version {
			t.Errorf("module %s %s is listed as %+v", name, version, got)
		}
		var containers []string
		for _, relationship := range document.Relationships {
			if relationship.Related == id {
				containers = append(containers, relationship.Element)
			}
		}
		if !slices.Equal(containers, programs) {
			t.Errorf("module %s is in %q, want %q", name, containers, programs)
		}
	}
}

// checkPackages wants identifiers that SPDX allows, each once, and a package
// URL for everything that somebody else makes.
func checkPackages(t *testing.T, document spdxDocument) map[string]spdxPackage {
	t.Helper()
	validID := regexp.MustCompile(`^SPDXRef-[a-zA-Z0-9.-]+$`)
	validURL := regexp.MustCompile(`^pkg:(golang/[^@\s]+@(v|[0-9])[^@?\s]+|deb/debian/[^@\s]+@[^@?\s]+\?arch=(amd64|all))$`)
	packages := make(map[string]spdxPackage)
	urls := make(map[string]string)
	for _, p := range document.Packages {
		if _, ok := packages[p.SPDXID]; ok {
			t.Errorf("%s is listed twice", p.SPDXID)
		}
		packages[p.SPDXID] = p
		if !validID.MatchString(p.SPDXID) || p.Name == "" || p.VersionInfo == "" || p.DownloadLocation != "NOASSERTION" {
			t.Errorf("package %+v is not complete", p)
		}
		if p.SPDXID == spdxRoot || strings.HasPrefix(p.SPDXID, "SPDXRef-program-") {
			continue
		}
		if len(p.ExternalRefs) != 1 || !validURL.MatchString(p.ExternalRefs[0].Locator) {
			t.Errorf("%s has the references %+v", p.SPDXID, p.ExternalRefs)
			continue
		}
		locator := p.ExternalRefs[0].Locator
		if other, ok := urls[locator]; ok {
			t.Errorf("%s and %s are both %s", other, p.SPDXID, locator)
		}
		urls[locator] = p.SPDXID
	}
	return packages
}

// checkRelationships wants both ends of each to exist, and everything to be in
// something.
func checkRelationships(t *testing.T, document spdxDocument) {
	t.Helper()
	known := map[string]bool{document.SPDXID: true}
	for _, p := range document.Packages {
		known[p.SPDXID] = true
	}
	contained := make(map[string]bool)
	seen := make(map[spdxRelationship]bool)
	for _, relationship := range document.Relationships {
		if !known[relationship.Element] || !known[relationship.Related] || seen[relationship] {
			t.Errorf("%+v leads nowhere or is listed twice", relationship)
		}
		seen[relationship] = true
		contained[relationship.Related] = true
	}
	for id := range known {
		if !contained[id] && id != document.SPDXID {
			t.Errorf("nothing contains %s", id)
		}
	}
}

// checkDebianPackages wants those of the master container, without those that
// were only needed to install.
func checkDebianPackages(t *testing.T, packages map[string]spdxPackage) {
	t.Helper()
	b := &builder{source: checkout}
	locked, err := b.lockedSet("master")
	if err != nil {
		t.Fatal(err)
	}
	sets, err := b.packageSets()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range locked {
		listed, ok := packages[spdxID("deb", p.Name, p.Version)]
		if ok == slices.Contains(sets["master"].Omit, p.Name) {
			t.Errorf("%s is listed: %t", p.Name, ok)
		}
		if ok && (listed.Name != p.Name || listed.Checksums[0].Value != p.SHA256) {
			t.Errorf("%s is listed as %+v", p.Name, listed)
		}
	}
}

func TestBillOfMaterialsIsTheSame(t *testing.T) {
	first := materialsOf(t, "etcd", "kube")
	if !bytes.Equal(first, materialsOf(t, "etcd", "kube")) {
		t.Error("made again it has other bytes")
	}
	if !bytes.Equal(first, materialsOf(t, "kube", "etcd")) {
		t.Error("it depends on the order of the programs")
	}
}

func TestBillOfMaterialsFails(t *testing.T) {
	b := &builder{catalogue: &runtime.Catalogue{SourceDate: sourceDate}, source: checkout}
	script := writeTree(t, map[string]string{"etcd": "#!/bin/sh\n"}) + "/etcd"
	_, err := b.billOfMaterials(runtime.Release{Version: "1.37.2"}, []executable{{program{name: "etcd"}, script}})
	wantError(t, err, "read the modules of etcd: ")
}

func TestSPDXID(t *testing.T) {
	for want, parts := range map[string][]string{
		"SPDXRef-go-github.com-a-b-v1.0.0":      {"go", "github.com/a/b", "v1.0.0"},
		"SPDXRef-deb-libstdc--6-1-2.0-deb12u1-": {"deb", "libstdc++6", "1:2.0+deb12u1~"},
	} {
		if got := spdxID(parts...); got != want {
			t.Errorf("spdxID(%q) = %s, want %s", parts, got, want)
		}
	}
}

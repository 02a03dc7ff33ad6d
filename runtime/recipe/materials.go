package recipe

import (
	"cmp"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// The bill of materials is SPDX 2.3: the Go modules that are linked into each
// program, read from the program itself, and the Debian packages.

type spdxDocument struct {
	SPDXVersion       string             `json:"spdxVersion"`
	DataLicense       string             `json:"dataLicense"`
	SPDXID            string             `json:"SPDXID"`
	Name              string             `json:"name"`
	DocumentNamespace string             `json:"documentNamespace"`
	CreationInfo      spdxCreation       `json:"creationInfo"`
	Packages          []spdxPackage      `json:"packages"`
	Relationships     []spdxRelationship `json:"relationships"`
}

type spdxCreation struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

type spdxPackage struct {
	Name             string         `json:"name"`
	SPDXID           string         `json:"SPDXID"`
	VersionInfo      string         `json:"versionInfo,omitempty"`
	DownloadLocation string         `json:"downloadLocation"`
	FilesAnalyzed    bool           `json:"filesAnalyzed"`
	Checksums        []spdxChecksum `json:"checksums,omitempty"`
	ExternalRefs     []spdxRef      `json:"externalRefs,omitempty"`
}

type spdxChecksum struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"checksumValue"`
}

type spdxRef struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

type spdxRelationship struct {
	Element string `json:"spdxElementId"`
	Type    string `json:"relationshipType"`
	Related string `json:"relatedSpdxElement"`
}

const spdxRoot = "SPDXRef-runtime"

// billOfMaterials lists what a runtime consists of.
func (b *builder) billOfMaterials(release runtime.Release, executables []executable) ([]byte, error) {
	document := spdxDocument{
		SPDXVersion: "SPDX-2.3", DataLicense: "CC0-1.0", SPDXID: "SPDXRef-DOCUMENT",
		Name:          "gravity-runtime-" + release.Version,
		CreationInfo:  spdxCreation{Created: b.catalogue.SourceDate.Format(time.RFC3339), Creators: []string{"Tool: gravity-runtime-recipe"}},
		Packages:      []spdxPackage{{Name: "gravity-runtime", SPDXID: spdxRoot, VersionInfo: release.Version, DownloadLocation: "NOASSERTION"}},
		Relationships: []spdxRelationship{{"SPDXRef-DOCUMENT", "DESCRIBES", spdxRoot}},
	}
	known := make(map[string]bool)
	for _, e := range executables {
		if err := document.addExecutable(e, known); err != nil {
			return nil, err
		}
	}
	if err := b.addDebian(&document); err != nil {
		return nil, err
	}
	slices.SortFunc(document.Packages, func(a, b spdxPackage) int { return strings.Compare(a.SPDXID, b.SPDXID) })
	slices.SortFunc(document.Relationships, func(a, b spdxRelationship) int {
		return cmp.Or(strings.Compare(a.Element, b.Element), strings.Compare(a.Related, b.Related))
	})
	// Unique for what it lists, and the same whenever that is the same.
	document.DocumentNamespace = "https://gravity-platform.github.io/spdx/runtime-" + release.Version + "-" + keyOf(document.Packages, document.Relationships)
	return json.MarshalIndent(document, "", " ")
}

// addExecutable adds a program and its modules; a module of several programs
// is listed once and related to each.
func (d *spdxDocument) addExecutable(e executable, known map[string]bool) error {
	info, err := buildinfo.ReadFile(e.path)
	if err != nil {
		return fmt.Errorf("read the modules of %s: %w", e.program.name, err)
	}
	programID := spdxID("program", e.program.name, e.program.version)
	d.add(spdxRoot, "CONTAINS", spdxPackage{Name: e.program.name, SPDXID: programID, VersionInfo: e.program.version})
	modules := [][2]string{{"stdlib", strings.TrimPrefix(info.GoVersion, "go")}}
	for _, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		if strings.HasPrefix(module.Path, ".") {
			continue // a folder of this repository
		}
		modules = append(modules, [2]string{module.Path, module.Version})
	}
	for _, module := range modules {
		id := spdxID("go", module[0], module[1])
		if known[id] {
			d.Relationships = append(d.Relationships, spdxRelationship{programID, "CONTAINS", id})
			continue
		}
		known[id] = true
		d.add(programID, "CONTAINS", spdxPackage{
			Name: module[0], SPDXID: id, VersionInfo: module[1],
			ExternalRefs: []spdxRef{{"PACKAGE-MANAGER", "purl", packageURL("golang/"+strings.ToLower(module[0]), module[1])}},
		})
	}
	return nil
}

// packageURL names a package as scanners do: the plus signs of versions, and of
// names such as libstdc++6, are escaped; slashes divide the name.
func packageURL(name, version string) string {
	return "pkg:" + strings.ReplaceAll(name, "+", "%2B") + "@" + strings.ReplaceAll(url.QueryEscape(version), "%3A", ":")
}

func (b *builder) addDebian(document *spdxDocument) error {
	packages, err := b.lockedSet("master")
	if err != nil {
		return err
	}
	sets, err := b.packageSets()
	if err != nil {
		return err
	}
	omitted := set2map(sets["master"].Omit)
	for _, p := range packages {
		if omitted[p.Name] {
			continue
		}
		document.add(spdxRoot, "CONTAINS", spdxPackage{
			Name: p.Name, SPDXID: spdxID("deb", p.Name, p.Version), VersionInfo: p.Version,
			Checksums:    []spdxChecksum{{"SHA256", p.SHA256}},
			ExternalRefs: []spdxRef{{"PACKAGE-MANAGER", "purl", packageURL("deb/debian/"+p.Name, p.Version) + "?arch=" + p.Arch}},
		})
	}
	return nil
}

func (d *spdxDocument) add(container, relationship string, p spdxPackage) {
	p.DownloadLocation = "NOASSERTION"
	d.Packages = append(d.Packages, p)
	d.Relationships = append(d.Relationships, spdxRelationship{container, relationship, p.SPDXID})
}

// spdxID makes an identifier of the letters that SPDX allows.
func spdxID(parts ...string) string {
	clean := func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-':
			return r
		}
		return '-'
	}
	return "SPDXRef-" + strings.Map(clean, strings.Join(parts, "-"))
}

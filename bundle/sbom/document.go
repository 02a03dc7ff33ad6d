package sbom

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"time"
)

// The types have what is used of SPDX 2.3, with the names that its JSON has.

// Document is a bill of materials in SPDX 2.3.
type Document struct {
	SPDXVersion       string         `json:"spdxVersion"`
	DataLicense       string         `json:"dataLicense"`
	SPDXID            string         `json:"SPDXID"`
	Name              string         `json:"name"`
	DocumentNamespace string         `json:"documentNamespace"`
	CreationInfo      CreationInfo   `json:"creationInfo"`
	Packages          []Package      `json:"packages"`
	Relationships     []Relationship `json:"relationships"`
}

// CreationInfo says when and by what a document was made.
type CreationInfo struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

// Package is anything that is listed: an application, an image, a layer, a
// program, a module.
type Package struct {
	Name             string        `json:"name"`
	SPDXID           string        `json:"SPDXID"`
	VersionInfo      string        `json:"versionInfo,omitempty"`
	Supplier         string        `json:"supplier,omitempty"`
	DownloadLocation string        `json:"downloadLocation"`
	FilesAnalyzed    bool          `json:"filesAnalyzed"`
	Homepage         string        `json:"homepage,omitempty"`
	SourceInfo       string        `json:"sourceInfo,omitempty"`
	LicenseDeclared  string        `json:"licenseDeclared,omitempty"`
	Purpose          string        `json:"primaryPackagePurpose,omitempty"`
	Comment          string        `json:"comment,omitempty"`
	Checksums        []Checksum    `json:"checksums,omitempty"`
	ExternalRefs     []ExternalRef `json:"externalRefs,omitempty"`
}

// Checksum is the digest of a package.
type Checksum struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"checksumValue"`
}

// ExternalRef is the name of a package elsewhere, such as a package URL.
type ExternalRef struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

// Relationship tells what a package has to do with another.
type Relationship struct {
	Element string `json:"spdxElementId"`
	Type    string `json:"relationshipType"`
	Related string `json:"relatedSpdxElement"`
	Comment string `json:"comment,omitempty"`
}

const (
	documentID = "SPDXRef-DOCUMENT"
	idPrefix   = "SPDXRef-"
	// unknown is how SPDX says that nobody claims to know.
	unknown = "NOASSERTION"

	contains  = "CONTAINS"
	dependsOn = "DEPENDS_ON"
	describes = "DESCRIBES"

	namespace = "https://gravity-platform.github.io/spdx/"
)

// Write writes the document as JSON. Equal documents give equal bytes.
func (d *Document) Write(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(d)
}

// collection gathers packages and relationships, each once.
type collection struct {
	packages map[string]Package
	// keys tell what a package is, with all that it contains.
	keys  map[string]string
	links map[Relationship]string // to comments
}

func newCollection() *collection {
	return &collection{packages: map[string]Package{}, keys: map[string]string{}, links: map[Relationship]string{}}
}

// add adds a package and returns its identifier. One with the same identifier
// and key is it; with another key, the package gets a longer identifier. A
// package without a key is known by its fields.
func (c *collection) add(p Package, key string) string {
	if p.DownloadLocation == "" {
		p.DownloadLocation = unknown
	}
	if key == "" {
		key = hashOf(p)
	}
	if known, ok := c.keys[p.SPDXID]; ok && known != key {
		p.SPDXID += "-" + key[:12]
	}
	c.packages[p.SPDXID], c.keys[p.SPDXID] = p, key
	return p.SPDXID
}

// link relates two packages; the first comment stays.
func (c *collection) link(element, kind, related, comment string) {
	link := Relationship{Element: element, Type: kind, Related: related}
	if _, ok := c.links[link]; !ok {
		c.links[link] = comment
	}
}

// document returns all that was gathered, sorted.
func (c *collection) document(name string, created time.Time) *Document {
	d := &Document{
		SPDXVersion: "SPDX-2.3", DataLicense: "CC0-1.0", SPDXID: documentID, Name: name,
		CreationInfo: CreationInfo{Created: created.UTC().Format(time.RFC3339), Creators: []string{"Tool: tele"}},
	}
	for _, p := range c.packages {
		d.Packages = append(d.Packages, p)
	}
	for link, comment := range c.links {
		link.Comment = comment
		d.Relationships = append(d.Relationships, link)
	}
	slices.SortFunc(d.Packages, func(a, b Package) int { return strings.Compare(a.SPDXID, b.SPDXID) })
	slices.SortFunc(d.Relationships, func(a, b Relationship) int {
		return cmp.Or(strings.Compare(a.Element, b.Element), strings.Compare(a.Related, b.Related), strings.Compare(a.Type, b.Type))
	})
	// It names what is listed, so it is the same whenever that is the same.
	d.DocumentNamespace = namespace + strings.TrimPrefix(identifier(name), idPrefix) + "-" + hashOf(d.Packages, d.Relationships)[:32]
	return d
}

// hashOf tells lists of values apart.
func hashOf(parts ...any) string {
	encoded, err := json.Marshal(parts)
	if err != nil {
		panic("sbom: " + err.Error()) // only strings and what is made of them
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:])
}

// identifier makes an identifier of the letters that SPDX allows.
func identifier(parts ...string) string {
	clean := func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-':
			return r
		}
		return '-'
	}
	return idPrefix + strings.Map(clean, strings.Join(parts, "-"))
}

// line makes text of others fit into a field: one line, not too long.
func line(text string) string {
	const limit = 500
	runes := []rune(strings.Join(strings.Fields(strings.ToValidUTF8(text, "?")), " "))
	if len(runes) > limit {
		return string(runes[:limit]) + "…"
	}
	return string(runes)
}

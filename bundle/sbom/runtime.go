package sbom

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// Limits of a runtime's own bill of materials.
const (
	maxDocument = 32 << 20
	maxLinks    = 200_000
)

func sortedRuntimes(runtimes []bundle.Runtime) []bundle.Runtime {
	return slices.SortedFunc(slices.Values(runtimes), func(a, b bundle.Runtime) int { return strings.Compare(a.Version, b.Version) })
}

// addRuntime adds a runtime and what its own bill of materials lists.
func (d *draft) addRuntime(ctx context.Context, listed bundle.Runtime) error {
	document, err := d.readRuntime(ctx, listed.Descriptor)
	if err != nil {
		return err
	}
	root := Package{
		Name: "gravity-runtime", SPDXID: identifier("runtime", listed.Version), VersionInfo: listed.Version,
		Purpose: "CONTAINER", Checksums: checksums(listed.Descriptor.Digest),
		Comment: "Kubernetes " + listed.Version + " with everything below it",
	}
	if document == nil {
		root.Comment += "; it has no bill of materials of its own"
	}
	id := d.add(root, listed.Descriptor.Digest.Hex)
	comment := ""
	if listed.Embedded {
		comment = "upgrades step through it"
	}
	d.link(d.application, dependsOn, id, comment)
	if document == nil {
		return nil
	}
	if err := d.merge(document, id); err != nil {
		return fmt.Errorf("its bill of materials: %w", err)
	}
	return nil
}

// readRuntime finds the bill of materials in a runtime's artifact; nil if there
// is none.
func (d *draft) readRuntime(ctx context.Context, artifact v1.Descriptor) (*Document, error) {
	var index v1.IndexManifest
	if err := readJSON(ctx, d.Source, artifact, bundle.MaxManifestSize, &index); err != nil {
		return nil, err
	}
	for _, child := range index.Manifests {
		if child.Annotations[runtime.AnnotationRole] != runtime.RoleSBOM {
			continue
		}
		var manifest v1.Manifest
		if err := readJSON(ctx, d.Source, child, bundle.MaxManifestSize, &manifest); err != nil {
			return nil, err
		}
		for _, layer := range manifest.Layers {
			if layer.MediaType == runtime.SBOMMediaType {
				document := &Document{}
				return document, readJSON(ctx, d.Source, layer, maxDocument, document)
			}
		}
		return nil, fmt.Errorf("manifest %s has no %s", child.Digest, runtime.SBOMMediaType)
	}
	return nil, nil //nolint:nilnil // there is none
}

var validID = regexp.MustCompile(`^SPDXRef-[a-zA-Z0-9.-]+$`)

// merger brings the packages of another document into this one.
type merger struct {
	*collection
	packages map[string]Package
	children map[string][]Relationship
	keys     map[string]string
}

// merge adds what another document lists; what it describes becomes root.
func (c *collection) merge(other *Document, root string) error {
	if len(other.Packages) > bundle.MaxBlobs || len(other.Relationships) > maxLinks {
		return errors.New("it lists too much")
	}
	m := &merger{collection: c, packages: map[string]Package{}, children: map[string][]Relationship{}, keys: map[string]string{}}
	described := ""
	for _, p := range other.Packages {
		if _, ok := m.packages[p.SPDXID]; ok || !validID.MatchString(p.SPDXID) || p.SPDXID == documentID {
			return fmt.Errorf("%.200q is no identifier, or one of two packages", p.SPDXID)
		}
		m.packages[p.SPDXID] = p
	}
	for _, link := range other.Relationships {
		if _, ok := m.packages[link.Related]; !ok {
			return fmt.Errorf("a relationship leads to %.200q, which is not listed", link.Related)
		}
		if link.Element == documentID && link.Type == describes {
			described = link.Related
			continue
		}
		if _, ok := m.packages[link.Element]; !ok {
			return fmt.Errorf("a relationship comes from %.200q, which is not listed", link.Element)
		}
		m.children[link.Element] = append(m.children[link.Element], link)
	}
	if described == "" {
		return errors.New("it describes nothing")
	}
	names := map[string]string{described: root}
	for _, id := range sortedKeys(m.packages) {
		if id != described {
			names[id] = c.add(m.packages[id], m.key(id, 0))
		}
	}
	for _, links := range m.children {
		for _, link := range links {
			c.link(names[link.Element], link.Type, names[link.Related], link.Comment)
		}
	}
	return nil
}

// maxNesting is how deep packages that contain others are compared; documents
// with circles end there.
const maxNesting = 8

// key tells a package with all that it contains from others: two runtimes may
// have the same version of a program with different modules.
func (m *merger) key(id string, depth int) string {
	p := m.packages[id]
	if p.DownloadLocation == "" {
		p.DownloadLocation = unknown
	}
	links := m.children[id]
	if len(links) == 0 || depth > maxNesting {
		return hashOf(p)
	}
	if known, ok := m.keys[id]; ok {
		return known
	}
	m.keys[id] = hashOf(p) // for circles
	var below []string
	for _, link := range links {
		below = append(below, link.Type+" "+m.key(link.Related, depth+1))
	}
	slices.Sort(below)
	m.keys[id] = hashOf(p, below)
	return m.keys[id]
}

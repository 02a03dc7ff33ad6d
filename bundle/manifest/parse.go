package manifest

import (
	"fmt"
	"io"
	"reflect"

	"go.yaml.in/yaml/v3"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest/internal/rule"
)

// Parse reads a manifest. The name is for messages; any will do (S03).
//
// A manifest that is refused gives *Errors with everything that is wrong; an
// error of the reader is returned as it is, with the name before it. Warnings
// are returned in both cases, in the order of the file.
func Parse(name string, r io.Reader) (*Manifest, Warnings, error) {
	return ParseExpanded(name, r, nil)
}

// ParseExpanded is Parse after ${NAME} in names and values was replaced by what
// lookup returns for NAME, as `tele build` does with environment variables
// (S08). Names consist of letters, digits and underscores. One that lookup
// does not know becomes nothing, and a warning. Comments stay, and a value
// cannot change the structure of the manifest around it.
func ParseExpanded(name string, r io.Reader, lookup func(string) (string, bool)) (*Manifest, Warnings, error) {
	text, problem, err := read(r)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", name, err)
	}
	var root *yaml.Node
	if problem == nil {
		root, problem = loadYAML(text)
	}
	var found report
	found.file = name
	if problem != nil {
		found.fail(*problem)
		warnings, err := found.result()
		return nil, warnings, err
	}
	if lookup != nil {
		expand(root, lookup, &found)
	}
	return fromTree(name, root, nil, found)
}

// fromTree decodes and checks a tree that was measured. It takes possession of
// it.
func fromTree(name string, root *yaml.Node, origins map[string]string, before report) (*Manifest, Warnings, error) {
	m := &Manifest{file: name, tree: root, origins: origins}
	d := &decoder{report: before, index: map[string]place{}}
	target := reflect.ValueOf(m).Elem()
	setDefaults(target)
	d.value(place{value: root}, target, "", rule.Field{Required: true})
	c := checks{decoder: d, m: m}
	if deref(root).Kind == yaml.MappingNode {
		c.run()
		c.deprecated()
	}
	warnings, err := d.result()
	if err != nil {
		return nil, warnings, err
	}
	m.index, m.sources = d.index, d.sources
	m.complete()
	return m, warnings, nil
}

// Position returns where the field at a path is, such as
// nodeProfiles[0].labels["example.com/tier"], or else the nearest one around
// it. Line and column count from one; they are zero where a field was not read
// from the file.
func (m *Manifest) Position(path string) (line, column int) { return position(m.index, path) }

// Has tells whether the manifest itself has the field at a path, where it
// matters that a value is not a default.
func (m *Manifest) Has(path string) bool { return m.index[path].value != nil }

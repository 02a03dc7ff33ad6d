package resource

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// notes are what is to be said of a document, with names of the file and lines.
type notes struct {
	file     string
	problems []error
	warnings []string
}

func (n *notes) fail(at *yaml.Node, err error) {
	n.problems = append(n.problems, fmt.Errorf("%s: line %d: %w", n.file, at.Line, err))
}

func (n *notes) failf(at *yaml.Node, format string, args ...any) {
	n.fail(at, fmt.Errorf(format, args...))
}

func (n *notes) warnf(at *yaml.Node, format string, args ...any) {
	n.warnings = append(n.warnings, fmt.Sprintf("%s: line %d: ", n.file, at.Line)+fmt.Sprintf(format, args...))
}

// field is a key of a mapping and its value.
type field struct{ key, value *yaml.Node }

// fieldsOf are those of a mapping; nothing is an empty one.
func (n *notes) fieldsOf(node *yaml.Node, path string) (list []field) {
	node = resolve(node)
	if node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
		return nil
	}
	if node.Kind != yaml.MappingNode {
		n.failf(node, "%s is no mapping", path)
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		list = append(list, field{node.Content[i], resolve(node.Content[i+1])})
	}
	return list
}

// known are the fields of a mapping by their names; others than the known ones
// are problems.
func (n *notes) known(node *yaml.Node, path string, names ...string) map[string]field {
	found := make(map[string]field)
	for _, entry := range n.fieldsOf(node, path) {
		name := entry.key.Value
		if slices.Contains(names, name) {
			found[name] = entry
			continue
		}
		hint := "known are " + strings.Join(names, ", ")
		if best := manifest.Closest(name, names); best != "" {
			hint = fmt.Sprintf("did you mean %s?", best)
		}
		n.fail(entry.key, cli.WithHint(fmt.Errorf("%s: unknown field %q", path, name), "%s", hint))
	}
	return found
}

// spec is a document's.
func spec(document *yaml.Node) *yaml.Node {
	for i := 0; i+1 < len(document.Content); i += 2 {
		if document.Content[i].Value == "spec" {
			return document.Content[i+1]
		}
	}
	return document // never: documents without it are refused
}

// resolve follows aliases.
func resolve(node *yaml.Node) *yaml.Node {
	for range 8 {
		if node.Kind != yaml.AliasNode || node.Alias == nil {
			break
		}
		node = node.Alias
	}
	return node
}

// text is a value that is written as text.
func (n *notes) text(entry field, path string) (string, bool) {
	if entry.value.Kind != yaml.ScalarNode || entry.value.Tag != "!!str" {
		n.fail(entry.value, cli.WithHint(fmt.Errorf("%s is no text", path), "write it between quotes"))
		return "", false
	}
	return entry.value.Value, true
}

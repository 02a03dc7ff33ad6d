package kustomization

import (
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery/internal/document"
)

// originalOf finds the object of a kind and name in the file that it came from.
// Kustomize adds to names in front and behind. It is nil if there are several
// that it could be.
func originalOf(data []byte, kind, name string) *yaml.Node {
	roots, err := document.ParseYAML(data)
	if err != nil {
		return nil
	}
	var exact, longer []*yaml.Node
	for len(roots) > 0 {
		root := roots[0]
		roots = roots[1:]
		ownKind, _ := document.Text(document.Get(root, "kind"))
		ownName, _ := document.Text(document.Dig(root, "metadata", "name"))
		switch {
		case ownKind != kind:
		case ownName == name:
			exact = append(exact, root)
		case strings.Contains(name, ownName):
			longer = append(longer, root)
		}
		if strings.HasSuffix(ownKind, "List") {
			for _, item := range document.Items(document.Get(root, "items")) {
				if item != nil {
					roots = append(roots, item)
				}
			}
		}
	}
	if len(exact) == 0 {
		exact = longer
	}
	if len(exact) != 1 {
		return nil
	}
	return exact[0]
}

// step is a key or a position of the path of a field.
var step = regexp.MustCompile(`\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|([A-Za-z0-9_-]+)`)

// lineOf finds the line of a built object's field in the original; zero if it
// is not there. Patches add items in front of others, so items of lists are
// found by their names where they have any.
func lineOf(original, built *yaml.Node, field string) int {
	for _, match := range step.FindAllStringSubmatch(field, -1) {
		if match[2] == "" {
			key := match[3]
			if key == "" {
				key, _ = strconv.Unquote(`"` + match[1] + `"`)
			}
			original, built = document.Get(original, key), document.Get(built, key)
			continue
		}
		position, _ := strconv.Atoi(match[2])
		built = item(built, func(at int, _ string) bool { return at == position })
		name, named := document.Text(document.Get(built, "name"))
		original = item(original, func(at int, ownName string) bool {
			return named && ownName == name || !named && at == position
		})
	}
	if original == nil {
		return 0
	}
	return original.Line
}

// item is the first item of a sequence of which is says so.
func item(sequence *yaml.Node, is func(at int, name string) bool) *yaml.Node {
	for i, item := range document.Items(sequence) {
		if name, _ := document.Text(document.Get(item, "name")); is(i, name) {
			return item
		}
	}
	return nil
}

package manifest

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// entries are the fields of a mapping, in their order: first its own, then
// those that merge keys (<<) bring and it does not have itself.
func (d *decoder) entries(node *yaml.Node, path string) []place {
	var own []place
	var merged []*yaml.Node
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := deref(node.Content[i]), node.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			d.fail(Problem{
				Line: key.Line, Column: key.Column, Path: path,
				Message: "the name of a field is not a text", Hint: "write NAME: VALUE",
			})
			continue
		}
		if key.ShortTag() == "!!merge" {
			merged = append(merged, value)
			continue
		}
		if first := seen[key.Value]; first != nil {
			d.fail(Problem{
				Line: key.Line, Column: key.Column, Path: child(path, key.Value),
				Message: "duplicate key " + quote(key.Value) + ", which is on " + lineOf(first) + " already",
				Hint:    "keep one of the two",
			})
			continue
		}
		seen[key.Value] = key
		own = append(own, place{key: key, value: value})
	}
	for _, value := range merged {
		for _, entry := range d.mergedEntries(value, path) {
			if seen[entry.key.Value] == nil {
				seen[entry.key.Value] = entry.key
				own = append(own, entry)
			}
		}
	}
	return own
}

// mergedEntries are the fields of what a merge key leads to: a mapping, or a
// list of mappings of which earlier ones win.
func (d *decoder) mergedEntries(value *yaml.Node, path string) []place {
	switch value = deref(value); value.Kind {
	case yaml.MappingNode:
		return d.entries(value, path)
	case yaml.SequenceNode:
		var all []place
		for _, content := range value.Content {
			if content = deref(content); content.Kind != yaml.MappingNode {
				d.failMerge(content, path)
				continue
			}
			all = append(all, d.entries(content, path)...)
		}
		return all
	default:
		d.failMerge(value, path)
		return nil
	}
}

func (d *decoder) failMerge(node *yaml.Node, path string) {
	d.fail(Problem{
		Line: node.Line, Column: node.Column, Path: path,
		Message: "the merge key << does not lead to a mapping",
		Hint:    "write <<: *NAME, where &NAME is at a mapping",
	})
}

func contains(names []string, name string) bool { return slices.Contains(names, name) }

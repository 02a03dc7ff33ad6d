package manifest

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// Edit gives a field a value.
type Edit struct {
	// Path is the field, as problems name it: baseImage,
	// installer.flavors.items[0].name, metadata.labels["example.com/tier"].
	// Mappings on the way are made where they are missing; items of lists must
	// exist, or be the next of the list.
	Path string
	// Value is a string, bool or int, a list of them ([]string, []any) or a map
	// (map[string]string, map[string]any). Nil removes the field.
	Value any
}

// With returns the manifest with edits made in their order, checked like one
// that was read. The text that Encode gives keeps its comments, and its other
// values as they were written. A path or a value that makes no sense is an
// error; a value that the field does not take gives *Errors.
func (m *Manifest) With(edits ...Edit) (*Manifest, Warnings, error) {
	return m.with(edits, m.origins)
}

func (m *Manifest) with(edits []Edit, origins map[string]string) (*Manifest, Warnings, error) {
	root := clone(m.tree, map[*yaml.Node]*yaml.Node{})
	for _, edit := range edits {
		if err := apply(root, edit); err != nil {
			return nil, nil, fmt.Errorf("set %s of %s: %w", edit.Path, m.file, err)
		}
	}
	before := report{file: m.file}
	if problem := new(guard).check(root); problem != nil {
		before.fail(*problem)
		warnings, err := before.result()
		return nil, warnings, err
	}
	return fromTree(m.file, root, origins, before)
}

// clone copies a tree; aliases of the copy lead into the copy.
func clone(node *yaml.Node, copies map[*yaml.Node]*yaml.Node) *yaml.Node {
	if done := copies[node]; done != nil {
		return done
	}
	copied := *node
	copies[node] = &copied
	copied.Content = nil
	for _, child := range node.Content {
		copied.Content = append(copied.Content, clone(child, copies))
	}
	if node.Alias != nil {
		copied.Alias = clone(node.Alias, copies)
	}
	return &copied
}

// detached is a copy of a value without the anchors in it, for a second place
// in the tree.
func detached(node *yaml.Node) *yaml.Node {
	copied := *deref(node)
	copied.Anchor = ""
	copied.Content = nil
	for _, child := range deref(node).Content {
		copied.Content = append(copied.Content, detached(child))
	}
	return &copied
}

func apply(root *yaml.Node, edit Edit) error {
	path, err := steps(edit.Path)
	if err != nil {
		return err
	}
	node := root
	for i, next := range path {
		last := i == len(path)-1
		if last && edit.Value == nil {
			return remove(node, next)
		}
		slot, err := enter(node, next)
		if err != nil {
			return err
		}
		if last {
			return assign(slot, edit.Value)
		}
		if isNull(*slot) {
			*slot = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
			if path[i+1].list {
				*slot = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
			}
		}
		node = *slot
	}
	return nil
}

// enter returns the place of a value in a mapping or list, and makes it if it
// is missing. What is shared by aliases or merge keys is copied first: an edit
// is about one field.
func enter(node *yaml.Node, next step) (**yaml.Node, error) {
	var slot **yaml.Node
	switch {
	case next.list && node.Kind == yaml.SequenceNode:
		if next.item > len(node.Content) {
			return nil, fmt.Errorf("there is no item %d: the list has %d", next.item, len(node.Content))
		}
		if next.item == len(node.Content) {
			node.Content = append(node.Content, null())
		}
		slot = &node.Content[next.item]
	case !next.list && node.Kind == yaml.MappingNode:
		slot = ownField(node, next.name)
	default:
		return nil, fmt.Errorf("%s has no %s", describe(node), next)
	}
	if (*slot).Kind == yaml.AliasNode {
		*slot = detached(*slot)
	}
	return slot, nil
}

func null() *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"} }

// ownField is the value of a field of a mapping, which gets the field if it has
// none, with the value that a merge key brought.
func ownField(node *yaml.Node, name string) **yaml.Node {
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := deref(node.Content[i])
		if key.Value == name && key.ShortTag() != "!!merge" {
			return &node.Content[i+1]
		}
	}
	value := null()
	for _, entry := range new(decoder).entries(node, "") {
		if entry.key.Value == name {
			value = detached(entry.value)
		}
	}
	node.Content = append(node.Content, textNode(name), value)
	return &node.Content[len(node.Content)-1]
}

// remove takes a field or item away. A field that is not there is no error.
func remove(node *yaml.Node, next step) error {
	switch {
	case next.list && node.Kind == yaml.SequenceNode && next.item < len(node.Content):
		node.Content = append(node.Content[:next.item:next.item], node.Content[next.item+1:]...)
	case next.list:
		return fmt.Errorf("%s has no %s", describe(node), next)
	}
	for i := 0; !next.list && i+1 < len(node.Content) && node.Kind == yaml.MappingNode; i += 2 {
		if deref(node.Content[i]).Value == next.name {
			node.Content = append(node.Content[:i:i], node.Content[i+2:]...)
			return nil
		}
	}
	return nil
}

// assign puts a value into its place, with the position and comments of what
// was there.
func assign(slot **yaml.Node, value any) error {
	fresh, err := valueNode(value)
	if err != nil {
		return err
	}
	old := *slot
	fresh.Line, fresh.Column = old.Line, old.Column
	fresh.HeadComment, fresh.LineComment, fresh.FootComment = old.HeadComment, old.LineComment, old.FootComment
	fresh.Anchor = old.Anchor
	*old = *fresh // aliases that lead here keep their anchor
	return nil
}

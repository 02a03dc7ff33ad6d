package document

import (
	"fmt"
	"iter"
	"regexp"

	"go.yaml.in/yaml/v3"
)

// Resolve follows aliases to the node that they name; nil stays nil.
func Resolve(node *yaml.Node) *yaml.Node {
	// An alias never names an alias, but a node made by hand might.
	for i := 0; node != nil && node.Kind == yaml.AliasNode && i < maxDepth; i++ {
		node = node.Alias
	}
	return node
}

// Fields are the keys and values of a mapping, aliases resolved, with what it
// merges ("<<: *base") after its own; nothing for other nodes. A key that is
// given twice has its last value, as Kubernetes reads it.
func Fields(node *yaml.Node) iter.Seq2[string, *yaml.Node] {
	return func(yield func(string, *yaml.Node) bool) {
		fields(Resolve(node), map[string]bool{}, yield)
	}
}

func fields(node *yaml.Node, seen map[string]bool, yield func(string, *yaml.Node) bool) bool {
	if node == nil || node.Kind != yaml.MappingNode {
		return true
	}
	last := map[string]*yaml.Node{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		last[node.Content[i].Value] = node.Content[i+1]
	}
	var merged []*yaml.Node
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		if key.Kind != yaml.ScalarNode || seen[key.Value] {
			continue
		}
		if key.Tag == "!!merge" {
			merged = append(merged, Resolve(node.Content[i+1]))
			continue
		}
		seen[key.Value] = true
		if !yield(key.Value, Resolve(last[key.Value])) {
			return false
		}
	}
	for _, base := range merged {
		bases := []*yaml.Node{base}
		if base != nil && base.Kind == yaml.SequenceNode {
			bases = base.Content
		}
		for _, base := range bases {
			if !fields(Resolve(base), seen, yield) {
				return false
			}
		}
	}
	return true
}

// Get returns the value of a mapping's key; nil if there is none, or if it is
// null.
func Get(node *yaml.Node, key string) *yaml.Node {
	for name, value := range Fields(node) {
		if name == key && !isNull(value) {
			return value
		}
	}
	return nil
}

// Dig follows keys from mapping to mapping.
func Dig(node *yaml.Node, keys ...string) *yaml.Node {
	for _, key := range keys {
		node = Get(node, key)
	}
	return node
}

// Items are the positions and items of a sequence, aliases resolved; nothing
// for other nodes.
func Items(node *yaml.Node) iter.Seq2[int, *yaml.Node] {
	return func(yield func(int, *yaml.Node) bool) {
		node := Resolve(node)
		if node == nil || node.Kind != yaml.SequenceNode {
			return
		}
		for i, item := range node.Content {
			if !yield(i, Resolve(item)) {
				return
			}
		}
	}
}

// Text returns the value of a string.
func Text(node *yaml.Node) (string, bool) {
	node = Resolve(node)
	if node == nil || node.Kind != yaml.ScalarNode || node.ShortTag() != "!!str" {
		return "", false
	}
	return node.Value, true
}

func isNull(node *yaml.Node) bool {
	return node == nil || node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null"
}

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// Join extends the path of a field by a key.
func Join(path, key string) string {
	switch {
	case !plainKey.MatchString(key):
		return fmt.Sprintf("%s[%q]", path, key)
	case path == "":
		return key
	}
	return path + "." + key
}

// Index extends the path of a field by a position.
func Index(path string, position int) string { return fmt.Sprintf("%s[%d]", path, position) }

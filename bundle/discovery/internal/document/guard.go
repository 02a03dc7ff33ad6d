package document

import (
	"go.yaml.in/yaml/v3"
)

const (
	// maxDepth is how deep nodes may be nested. Kubernetes' own types reach
	// about twenty; schemas of custom resources stay below a hundred.
	maxDepth = 200
	// maxRepeated is how many nodes aliases may add to a document when they are
	// followed. What people write by hand adds some hundreds.
	maxRepeated = 50_000
)

// guard refuses a document whose walk would not end, or would not end soon:
// one that contains itself, is nested too deeply, or multiplies by aliases.
// Each node is visited once, however often aliases name it.
func guard(root *yaml.Node) error {
	g := guardian{measured: map[*yaml.Node]extent{}, open: map[*yaml.Node]bool{}}
	if _, err := g.measure(root, 0); err != nil {
		return err
	}
	return nil
}

// extent is the size of a node with everything below it.
type extent struct {
	nodes, depth int
}

type guardian struct {
	measured map[*yaml.Node]extent
	// open are the nodes that are being measured: those above the current one.
	open map[*yaml.Node]bool
}

func (g *guardian) measure(node *yaml.Node, above int) (extent, error) {
	if known, ok := g.measured[node]; ok {
		return known, nil
	}
	if g.open[node] {
		return extent{}, errorf(node.Line, "the anchor %q contains itself", node.Anchor)
	}
	g.open[node] = true
	defer delete(g.open, node)

	children := node.Content
	if node.Kind == yaml.AliasNode {
		children = []*yaml.Node{node.Alias}
	}
	size := extent{nodes: 1}
	for _, child := range children {
		below, err := g.measure(child, above+1)
		if err != nil {
			return extent{}, err
		}
		size.nodes += below.nodes
		size.depth = max(size.depth, below.depth+1)
		// Every node that was written has been measured, or is open.
		if size.nodes > len(g.measured)+len(g.open)+maxRepeated {
			return extent{}, errorf(node.Line, "its aliases add more than %d values", maxRepeated)
		}
	}
	// What was measured at one depth may be named again further down.
	if above+size.depth > maxDepth {
		return extent{}, errorf(node.Line, "nested more than %d levels deep", maxDepth)
	}
	g.measured[node] = size
	return size, nil
}

// Duplicates finds keys that a mapping has twice, in the order of lines. Which
// of the values counts depends on who reads the file, so files that people
// wrote must not have any.
func Duplicates(root *yaml.Node) []*Error {
	var found []*Error
	if root.Kind == yaml.MappingNode {
		lines := map[string]int{}
		for i := 0; i+1 < len(root.Content); i += 2 {
			key := root.Content[i]
			if key.Kind != yaml.ScalarNode {
				continue
			}
			if first, ok := lines[key.Value]; ok {
				found = append(found, errorf(key.Line, "the key %q is already set on line %d", key.Value, first))
				continue
			}
			lines[key.Value] = key.Line
		}
	}
	for _, child := range root.Content {
		found = append(found, Duplicates(child)...)
	}
	return found
}

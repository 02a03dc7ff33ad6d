package manifest

import (
	"regexp"

	"go.yaml.in/yaml/v3"
)

var variable = regexp.MustCompile(`\$\{[A-Za-z0-9_]+\}`)

// expand replaces ${NAME} in all names and values of a tree. Each node is
// visited once, as aliases are not followed.
func expand(node *yaml.Node, lookup func(string) (string, bool), found *report) {
	if node.Kind == yaml.ScalarNode {
		value := variable.ReplaceAllStringFunc(node.Value, func(match string) string {
			name := match[2 : len(match)-1]
			value, ok := lookup(name)
			if !ok {
				found.warn(Problem{
					Line: node.Line, Column: node.Column,
					Message: "the variable ${" + name + "} is not set; it becomes nothing",
					Hint:    "set " + name + " in the environment",
				})
			}
			return value
		})
		if value != node.Value {
			node.Value = value
			if !isQuoted(node) {
				node.Tag = "" // "${COUNT}" was a text, what it stands for may be a number
			}
		}
	}
	for _, child := range node.Content {
		expand(child, lookup, found)
	}
}

package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Encode returns the manifest as YAML, with its comments. The same manifest
// gives the same bytes. Defaults are not written: the manifest is what its
// author wrote, and what was edited.
func (m *Manifest) Encode() ([]byte, error) {
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	if err := encoder.Encode(m.tree); err != nil {
		return nil, fmt.Errorf("encode %s: %w", m.file, err)
	}
	if err := encoder.Close(); err != nil {
		return nil, fmt.Errorf("encode %s: %w", m.file, err)
	}
	if text.Len() > MaxSize {
		return nil, fmt.Errorf("encode %s: it has %d bytes, which is more than %d MiB", m.file, text.Len(), MaxSize>>20)
	}
	return text.Bytes(), nil
}

// valueNode is the value of an edit as YAML; maps are in the order of their
// keys.
func valueNode(value any) (*yaml.Node, error) {
	switch value := value.(type) {
	case string:
		if !utf8.ValidString(value) {
			return nil, errors.New("the text is not UTF-8")
		}
		return textNode(value), nil
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(value)}, nil
	case int:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.Itoa(value)}, nil
	case []string:
		return listNode(value)
	case []any:
		return listNode(value)
	case map[string]string:
		return mapNode(value)
	case map[string]any:
		return mapNode(value)
	}
	return nil, fmt.Errorf("a value cannot be of type %T", value)
}

func listNode[T any](values []T) (*yaml.Node, error) {
	list := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	for _, value := range values {
		node, err := valueNode(value)
		if err != nil {
			return nil, err
		}
		list.Content = append(list.Content, node)
	}
	return list, nil
}

func mapNode[T any](values map[string]T) (*yaml.Node, error) {
	mapping := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		name, err := valueNode(key)
		if err != nil {
			return nil, err
		}
		node, err := valueNode(values[key])
		if err != nil {
			return nil, err
		}
		mapping.Content = append(mapping.Content, name, node)
	}
	return mapping, nil
}

// textNode is a text in the style that reads best and gives the same text when
// it is read again.
func textNode(text string) *yaml.Node {
	node := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	switch {
	case literal(text):
		node.Style = yaml.LiteralStyle
	case strings.ContainsFunc(text, func(c rune) bool { return c == '\n' || !unicode.IsPrint(c) }):
		node.Style = yaml.DoubleQuotedStyle
	}
	return node
}

// literal tells whether a text of several lines survives as a literal block.
func literal(text string) bool {
	if !strings.Contains(text, "\n") || strings.TrimSpace(text) == "" || strings.ContainsAny(text[:1], " \t\n") {
		return false
	}
	for _, c := range text {
		if c != '\n' && c != '\t' && !unicode.IsPrint(c) {
			return false
		}
	}
	return !strings.Contains(text, " \n") && !strings.HasSuffix(text, " ")
}

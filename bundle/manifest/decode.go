package manifest

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest/internal/rule"
)

// place is where a field is in the tree. The key is nil in lists.
type place struct{ key, value *yaml.Node }

// reference is a value that leads to a file or an address.
type reference struct {
	path   string
	source Source
	kind   string // as rule.Field.Fetch
	node   *yaml.Node
}

// decoder fills Go values from a tree of YAML and reports everything that does
// not fit. It goes on after a problem: the value stays as it was.
type decoder struct {
	report
	index   map[string]place
	sources []reference
}

// failAt reports a problem of the field at a path, or of where it should be.
func (d *decoder) failAt(path, hint, format string, args ...any) {
	d.fail(d.problem(path, hint, format, args...))
}

// warnAt reports a warning about the field at a path.
func (d *decoder) warnAt(path, hint, format string, args ...any) {
	d.warn(d.problem(path, hint, format, args...))
}

func (d *decoder) problem(path, hint, format string, args ...any) Problem {
	line, column := position(d.index, path)
	return Problem{Line: line, Column: column, Path: path, Hint: hint, Message: fmt.Sprintf(format, args...)}
}

// position is where the field at a path is, or the nearest one around it.
// The place of a mapping or list is its key: that is what one looks for.
func position(index map[string]place, path string) (line, column int) {
	for {
		at := index[path]
		for _, node := range []*yaml.Node{at.value, at.key} {
			if node != nil && node.Line > 0 && (node.Kind == yaml.ScalarNode || at.key == nil || node == at.key) {
				return node.Line, node.Column
			}
		}
		if path == "" {
			return 0, 0
		}
		path = parent(path)
	}
}

// parent is the path of what contains a field.
func parent(path string) string {
	if strings.HasSuffix(path, "]") {
		return path[:max(strings.LastIndexByte(path, '['), 0)]
	}
	return path[:max(strings.LastIndexByte(path, '.'), 0)]
}

var plainName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,60}$`)

// child is the path of a field below another.
func child(path, name string) string {
	if !plainName.MatchString(name) {
		return path + "[" + quote(name) + "]"
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

func item(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// value fills v, which is addressable, from the field at path.
func (d *decoder) value(at place, v reflect.Value, path string, field rule.Field) {
	d.index[path] = at
	node := deref(at.value)
	if isNull(node) {
		if !field.Required {
			d.warnAt(path, "remove it or give it a value", "has no value")
		}
		return
	}
	if tag := node.ShortTag(); !knownTag(tag) {
		d.failAt(path, "remove the tag", "has the tag %s, which means nothing here", quote(tag))
		return
	}
	switch {
	case v.Kind() == reflect.Pointer:
		target := reflect.New(v.Type().Elem())
		setDefaults(target.Elem())
		d.value(at, target.Elem(), path, field)
		v.Set(target)
	case v.Addr().Type().Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		d.text(node, v, path)
	case v.Kind() == reflect.Struct:
		d.structure(node, v, path)
	case v.Kind() == reflect.Map:
		d.mapping(node, v, path)
	case v.Kind() == reflect.Slice:
		d.list(node, v, path, field)
	default:
		d.scalar(node, v, path, field)
	}
}

func deref(node *yaml.Node) *yaml.Node {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	return node
}

func knownTag(tag string) bool {
	switch tag {
	case "!!str", "!!int", "!!float", "!!bool", "!!null", "!!map", "!!seq", "!!timestamp", "!!merge":
		return true
	}
	return false
}

// text fills a type with a syntax of its own.
func (d *decoder) text(node *yaml.Node, v reflect.Value, path string) {
	example := ""
	if formatted, ok := reflect.TypeAssert[rule.Formatted](v); ok {
		example = formatted.Example()
	}
	if !d.isText(node, path, example, "") {
		return
	}
	target, ok := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr())
	if !ok {
		return
	}
	if err := target.UnmarshalText([]byte(node.Value)); err != nil {
		if bad, ok := errors.AsType[*badValue](err); ok {
			d.failAt(path, bad.hint, "%s", bad.message)
			return
		}
		d.failAt(path, "", "%v", err)
	}
}

func (d *decoder) structure(node *yaml.Node, v reflect.Value, path string) {
	if node.Kind != yaml.MappingNode {
		d.mismatch(node, path, "a mapping", structureHint(node, v.Type(), path))
		return
	}
	fields := rule.Fields(v.Type())
	byName := make(map[string]rule.Field, len(fields))
	for _, field := range fields {
		byName[field.Name] = field
	}
	present := map[string]bool{}
	for _, entry := range d.entries(node, path) {
		name := entry.key.Value
		field, known := byName[name]
		if !known {
			d.unknown(entry, v.Type(), path)
			continue
		}
		present[name] = !isNull(deref(entry.value))
		d.value(entry, v.Field(field.Index), child(path, name), field)
	}
	for _, field := range fields {
		if field.Required && !present[field.Name] {
			d.failAt(child(path, field.Name), "write "+fieldExample(field), "is missing")
		}
	}
}

// structureHint says how to write a mapping in place of something else.
func structureHint(node *yaml.Node, structure reflect.Type, path string) string {
	if path == "" {
		return "a manifest begins with apiVersion, kind and metadata"
	}
	for _, field := range rule.Fields(structure) {
		if field.Fetch != "" && Source(node.Value).IsReference() {
			return "write " + field.Name + ": " + node.Value + " on a line of its own, indented below it"
		}
	}
	return "write its fields as NAME: VALUE on lines of their own, indented below it"
}

// mapping fills a map whose keys are texts.
func (d *decoder) mapping(node *yaml.Node, v reflect.Value, path string) {
	if node.Kind != yaml.MappingNode {
		d.mismatch(node, path, "a mapping", "write NAME: VALUE on lines of their own, indented below it")
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	known, enumerated := reflect.TypeAssert[rule.Enumerated](reflect.Zero(v.Type().Key()))
	for _, entry := range d.entries(node, path) {
		name := entry.key.Value
		if enumerated && !contains(known.Values(), name) {
			d.unknownName(entry, child(path, name), known.Values())
			continue
		}
		target := reflect.New(v.Type().Elem()).Elem()
		setDefaults(target)
		d.value(entry, target, child(path, name), rule.Field{})
		v.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), target)
	}
}

func (d *decoder) list(node *yaml.Node, v reflect.Value, path string, field rule.Field) {
	if node.Kind != yaml.SequenceNode {
		hint := "write it as a list: each item on a line of its own that begins with a dash"
		if node.Kind == yaml.ScalarNode && v.Type().Elem().Kind() != reflect.Struct {
			hint = "write it as a list: [" + quote(node.Value) + "]"
		}
		d.mismatch(node, path, "a list", hint)
		return
	}
	if len(node.Content) == 0 && field.Required {
		d.failAt(path, "write at least one item", "is empty")
	}
	v.Set(reflect.MakeSlice(v.Type(), len(node.Content), len(node.Content)))
	each := rule.Field{Name: field.Name, Type: v.Type().Elem(), Required: true}
	for i, content := range node.Content {
		setDefaults(v.Index(i))
		d.value(place{value: content}, v.Index(i), item(path, i), each)
		if isNull(deref(content)) {
			d.failAt(item(path, i), "remove the dash or write the item behind it", "is empty")
		}
	}
}

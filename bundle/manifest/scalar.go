package manifest

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest/internal/rule"
)

func lineOf(node *yaml.Node) string { return fmt.Sprintf("line %d", node.Line) }

// describe is a value for a message: what it says, or what it is.
func describe(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	if node.ShortTag() != "!!str" {
		return node.Value
	}
	return quote(node.Value)
}

func (d *decoder) mismatch(node *yaml.Node, path, want, hint string) {
	d.failAt(path, hint, "%s is not %s", describe(node), want)
}

// scalar fills a text without syntax of its own, a number or a boolean.
func (d *decoder) scalar(node *yaml.Node, v reflect.Value, path string, field rule.Field) {
	switch v.Kind() {
	case reflect.Bool:
		d.boolean(node, v, path)
	case reflect.Int:
		d.number(node, v, path, field)
	case reflect.String:
		d.plainText(node, v, path, field)
	default:
		panic(fmt.Sprintf("manifest: no decoding of %s", v.Type()))
	}
}

// booleans are the booleans of YAML 1.1, which the original read.
var booleans = map[string]bool{
	"true": true, "yes": true, "on": true,
	"false": false, "no": false, "off": false,
}

func (d *decoder) boolean(node *yaml.Node, v reflect.Value, path string) {
	value, known := booleans[strings.ToLower(node.Value)]
	if node.Kind != yaml.ScalarNode || !known || isQuoted(node) {
		d.mismatch(node, path, "a boolean", "write true or false, without quotes")
		return
	}
	v.SetBool(value)
}

func isQuoted(node *yaml.Node) bool {
	const quoted = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	return node.Style&quoted != 0
}

func (d *decoder) number(node *yaml.Node, v reflect.Value, path string, field rule.Field) {
	example := "2"
	if field.Name == "port" {
		example = "8080"
	}
	hint := "write a whole number such as " + example
	n, err := strconv.ParseInt(node.Value, 10, 32)
	switch {
	case node.Kind != yaml.ScalarNode || node.ShortTag() == "!!str" && err != nil:
		d.mismatch(node, path, "a number", hint)
	case node.ShortTag() == "!!str":
		d.failAt(path, "write "+node.Value+" without quotes", "%s is a text, not a number", quote(node.Value))
	case err != nil:
		d.mismatch(node, path, "a whole number below 2147483648", hint)
	case field.Min != nil && n < *field.Min:
		d.failAt(path, hint, "%d is less than %d", n, *field.Min)
	case field.Max != nil && n > *field.Max:
		d.failAt(path, hint, "%d is more than %d", n, *field.Max)
	default:
		v.SetInt(n)
	}
}

// isText reports a value that is not a text. A number or boolean needs quotes:
// 1.10 and 1.1 are one number, and two versions.
//
// The example shows a text with a syntax; the hint is for what is no scalar.
func (d *decoder) isText(node *yaml.Node, path, example, hint string) bool {
	if node.Kind != yaml.ScalarNode {
		if hint == "" {
			hint = "write a text"
			if example != "" {
				hint += " such as " + strconv.Quote(example)
			}
		}
		d.mismatch(node, path, "a text", hint)
		return false
	}
	kind := map[string]string{"!!int": "a number", "!!float": "a number", "!!bool": "a boolean"}[node.ShortTag()]
	if kind == "" {
		return true
	}
	hint = "write it in quotes: " + strconv.Quote(node.Value)
	if example != "" {
		hint = "write a text in quotes, such as " + strconv.Quote(example)
	}
	d.failAt(path, hint, "%s is %s, not a text", node.Value, kind)
	return false
}

func (d *decoder) plainText(node *yaml.Node, v reflect.Value, path string, field rule.Field) {
	hint := ""
	if field.Fetch != "" {
		hint = fmt.Sprintf("write %s: | and the text indented below it, or %s: file://PATH", field.Name, field.Name)
	}
	if _, isSecret := reflect.TypeAssert[Secret](v); isSecret && node.ShortTag() != "!!str" {
		d.failAt(path, "write it in quotes", "is not a text")
		return
	}
	if !d.isText(node, path, "", hint) {
		return
	}
	if field.Required && node.Value == "" {
		hint := "write " + fieldExample(field)
		if strings.HasSuffix(path, "]") {
			hint = "remove the item, or write it"
		}
		d.failAt(path, hint, "is empty")
		return
	}
	if enumerated, ok := reflect.TypeAssert[rule.Enumerated](v); ok && !contains(enumerated.Values(), node.Value) {
		d.failEnum(path, field.Name, node.Value, enumerated.Values())
		return
	}
	v.SetString(node.Value)
	if source, ok := reflect.TypeAssert[Source](v); ok && source.IsReference() {
		d.sources = append(d.sources, reference{path: path, source: source, kind: field.Fetch, node: node})
	}
}

// enumWords are how some fields call a value that they do not know: the
// original's words, which scripts look for.
var enumWords = map[string]string{
	"apiVersion":    "unknown manifest API version: %s",
	"kind":          "unknown manifest kind %s",
	"storageDriver": "unrecognized docker storage driver %s",
	"expandPolicy":  `supported expand policies are "fixed" and "fixed-instance", got: %s`,
}

func (d *decoder) failEnum(path, name, value string, known []string) {
	words := enumWords[name]
	switch {
	case words == "":
		words = "%s is not a value of " + name
	case name == "storageDriver":
		words += ", supported are: [" + strings.Join(known, " ") + "]"
	}
	hint := enumHints[value]
	if hint == "" {
		hint = "write one of " + strings.Join(known, ", ")
		if best := Closest(value, known); best != "" {
			hint = "did you mean " + strconv.Quote(best) + "?"
		}
	}
	d.failAt(path, hint, words, quote(value))
}

// enumHints are what to write instead of values that the original knew.
var enumHints = map[string]string{
	"SystemApplication": "write Application; parts of the runtime come with it",
	"Runtime":           "write Bundle, and name the runtime by baseImage: gravity:VERSION; runtimes are not built from manifests",
	"v1":                "write bundle.gravitational.io/v2 and name the fields as that version does; see docs/manifest.schema.json",
	"v2":                "write bundle.gravitational.io/v2",
}

// fieldExample is a field as one could write it.
func fieldExample(field rule.Field) string {
	zero := reflect.Zero(field.Type).Interface()
	value := "..."
	if enumerated, ok := zero.(rule.Enumerated); ok {
		value = enumerated.Values()[0]
	} else if formatted, ok := zero.(rule.Formatted); ok {
		value = formatted.Example()
	} else if field.Type.Kind() == reflect.Int {
		value = "1"
	} else if examples[field.Name] != "" {
		value = examples[field.Name]
	}
	return field.Name + ": " + value
}

// examples are values of texts that have no syntax, by the field's name.
var examples = map[string]string{
	"name": "my-name", "profile": "node", "key": "my-taint",
	"job":      "| and a Kubernetes Job below it, or job: file://PATH",
	"metadata": "and below it name: my-app and resourceVersion: 1.0.0",
	"items":    "[{name: small, nodes: [{profile: node, count: 1}]}]",
	"nodes":    "[{profile: node, count: 1}]",
	"ranges":   `["8080"]`,
	"caCert":   "| and the certificate (PEM) below it",
}

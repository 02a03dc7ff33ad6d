package document_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery/internal/document"
)

func TestErrorsNameTheLine(t *testing.T) {
	tests := []struct{ name, yaml, want string }{
		{"first line", "a: [b", "line 1: did not find expected ',' or ']'"},
		{"later line", "a: 1\nb: c: d\n", "line 2: mapping values are not allowed in this context"},
		{"tab", "a:\n  b:\n  \tc: 1\n", "line 3: a tab indents this line; YAML indents with spaces"},
		{"second document", "a: 1\n---\nb: 1\n---\n- c\nd: 1\n", "line 5: did not find expected '-' indicator"},
		{"Windows", "a: 1\r\n\tb: 2\r\n", "line 2: a tab indents this line; YAML indents with spaces"},
		{"unknown alias", "a: 1\nb: *c\n", "line 2: unknown anchor 'c' referenced"},
		{"control character", "a: 1\nb: \x01\n", "line 2: control characters are not allowed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := document.ParseYAML([]byte(test.yaml))
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(test.want, err.Error()); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSizeIsLimited(t *testing.T) {
	data := []byte(strings.Repeat("#", document.MaxSize+1))
	for name, parse := range map[string]func([]byte) ([]*yaml.Node, error){"YAML": document.ParseYAML, "JSON": document.ParseJSON} {
		if _, err := parse(data); err == nil {
			t.Errorf("%s of %d bytes was parsed", name, len(data))
		}
	}
}

func TestJSONPositions(t *testing.T) {
	roots, err := document.ParseJSON([]byte("{\n  \"ä\\\"\": \"x\", \"b\": [1, true,\n null, \"c\"]}"))
	if err != nil {
		t.Fatal(err)
	}
	type place struct {
		Value        string
		Line, Column int
	}
	var got []place
	var visit func(*yaml.Node)
	visit = func(node *yaml.Node) {
		if node.Kind == yaml.ScalarNode {
			got = append(got, place{node.Value, node.Line, node.Column})
		}
		for _, child := range node.Content {
			visit(child)
		}
	}
	visit(roots[0])
	want := []place{
		{`ä"`, 2, 3}, {"x", 2, 10}, {"b", 2, 15}, {"1", 2, 21}, {"true", 2, 24}, {"null", 3, 2}, {"c", 3, 8},
	}
	// Where other values than strings begin, nobody asks.
	for i := range got {
		if got[i].Value == "true" || got[i].Value == "null" {
			got[i].Column, want[i].Column = 0, 0
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

func TestGet(t *testing.T) {
	roots, err := document.ParseYAML([]byte(`
base: &base {a: base, b: base}
other: &other {b: other, c: other}
merged: {<<: [*base, *other], a: own, n: null}
twice: {a: 1, a: 2}
`))
	if err != nil {
		t.Fatal(err)
	}
	merged := document.Get(roots[0], "merged")
	for key, want := range map[string]string{"a": "own", "b": "base", "c": "other"} {
		if got, _ := document.Text(document.Get(merged, key)); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if document.Get(merged, "n") != nil {
		t.Error("null is a value")
	}
	if got := document.Dig(roots[0], "twice", "a"); got == nil || got.Value != "2" {
		t.Errorf("of a key given twice, got %v, want the last value", got)
	}
	if document.Dig(nil, "a", "b") != nil || document.Dig(merged, "a", "b") != nil {
		t.Error("found something in nothing")
	}
}

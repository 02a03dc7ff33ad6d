package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
)

const (
	types     = "../.."
	committed = "../../../../docs/manifest.schema.json"
	header    = "apiVersion: bundle.gravitational.io/v2\nkind: Bundle\nmetadata:\n  name: a\n  resourceVersion: 1.0.0\n"
)

func TestSchemaIsCurrent(t *testing.T) {
	want, err := generate(types)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(committed)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("run `make generate` (-want +got):\n%s", diff)
	}
}

func TestEverythingIsDescribed(t *testing.T) {
	text, err := generate(types)
	if err != nil {
		t.Fatal(err)
	}
	var root any
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	checkDescriptions(t, "", root)
}

// checkDescriptions walks a schema; what is below "properties" is described.
func checkDescriptions(t *testing.T, path string, node any) {
	object, ok := node.(map[string]any)
	if !ok {
		return
	}
	for name, value := range object {
		checkDescriptions(t, path+"/"+name, value)
		property, isObject := value.(map[string]any)
		if strings.HasSuffix(path, "/properties") && isObject && property["description"] == nil {
			t.Errorf("%s/%s has no description", path, name)
		}
	}
}

func TestValidManifests(t *testing.T) {
	schema := compile(t)
	for _, pattern := range []string{"/testdata/guide/*.yaml", "/testdata/valid/*.yaml"} {
		names, err := filepath.Glob(types + pattern)
		if err != nil || len(names) == 0 {
			t.Fatal(names, err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(instance(t, text)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestSchemaAgreesWithParser holds that the schema refuses nothing that the
// parser takes, and most of what it refuses: not what concerns several fields
// or the contents of texts.
func TestSchemaAgreesWithParser(t *testing.T) {
	schema := compile(t)
	invalid, refused := 0, 0
	for name, text := range cases(t) {
		_, _, parseErr := manifest.Parse(name, bytes.NewReader(text))
		var tree any
		if err := yaml.Unmarshal(text, &tree); err != nil {
			continue // not YAML: no editor gets as far as the schema
		}
		schemaErr := schema.Validate(instance(t, text))
		if parseErr == nil && schemaErr != nil {
			t.Errorf("%s: the parser takes it, the schema does not: %v", name, schemaErr)
		}
		if parseErr != nil {
			invalid++
			if schemaErr != nil {
				refused++
			} else {
				t.Logf("only the parser refuses %s", name)
			}
		}
	}
	t.Logf("the schema refuses %d of %d invalid manifests", refused, invalid)
	if refused*3 < invalid*2 {
		t.Errorf("the schema refuses %d of %d invalid manifests, want two thirds", refused, invalid)
	}
}

// cases are the manifests that the parser's rules are tested with.
func cases(t *testing.T) map[string][]byte {
	t.Helper()
	archives, err := filepath.Glob(types + "/testdata/rules/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal(archives, err)
	}
	all := map[string][]byte{}
	for _, name := range archives {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range archive.Files {
			text := file.Data
			if !bytes.HasPrefix(text, []byte("apiVersion")) && !bytes.HasPrefix(text, []byte("#")) {
				text = append([]byte(header), text...)
			}
			if strings.HasSuffix(file.Name, ".yaml") {
				all[filepath.Base(name)+"/"+file.Name] = text
			}
		}
	}
	return all
}

func compile(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := generate(types)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	if err := compiler.AddResource("manifest.schema.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("manifest.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// instance is YAML as the schema's library takes it.
func instance(t *testing.T, text []byte) any {
	t.Helper()
	var tree any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(withTextKeys(tree))
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// withTextKeys drops fields whose names are not texts, which JSON has not.
func withTextKeys(node any) any {
	switch node := node.(type) {
	case map[any]any:
		object := map[string]any{}
		for key, value := range node {
			if name, ok := key.(string); ok {
				object[name] = withTextKeys(value)
			}
		}
		return object
	case map[string]any:
		for key, value := range node {
			node[key] = withTextKeys(value)
		}
	case []any:
		for i, value := range node {
			node[i] = withTextKeys(value)
		}
	}
	return node
}

func TestFailures(t *testing.T) {
	if err := run(t.TempDir(), filepath.Join(t.TempDir(), "a.json")); err == nil || !strings.Contains(err.Error(), "no Go types") {
		t.Errorf("error %v", err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.go"), []byte("package"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(dir, filepath.Join(dir, "a.json")); err == nil || !strings.Contains(err.Error(), "read comments") {
		t.Errorf("error %v", err)
	}
	if err := run(types, filepath.Join(dir, "new", "a.json")); err != nil {
		t.Error(err)
	}
}

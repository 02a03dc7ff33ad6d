package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest/internal/rule"
)

// schema is a JSON schema. Its keys are sorted when it is written.
type schema map[string]any

// generator collects the definitions of types that are met on the way.
type generator struct {
	comments    comments
	definitions map[string]schema
}

// generate returns the schema of the manifest, of which the Go source is in a
// folder.
func generate(dir string) ([]byte, error) {
	comments, err := readComments(dir)
	if err != nil {
		return nil, fmt.Errorf("read comments: %w", err)
	}
	g := &generator{comments: comments, definitions: map[string]schema{}}
	root := g.structure(reflect.TypeFor[manifest.Manifest]())
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$id"] = "urn:gravity:manifest:v2"
	root["title"] = "Gravity application manifest (app.yaml)"
	root["$defs"] = g.definitions

	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(root); err != nil {
		return nil, err
	}
	return text.Bytes(), nil
}

func (g *generator) structure(of reflect.Type) schema {
	properties := schema{}
	var required []string
	for _, field := range rule.Fields(of) {
		property := g.value(field.Type)
		refine(property, field)
		if description := g.comments[of.Name()+"."+of.Field(field.Index).Name]; description != "" {
			property["description"] = description
		}
		properties[field.Name] = property
		if field.Required {
			required = append(required, field.Name)
		}
	}
	object := schema{"type": "object", "properties": properties, "additionalProperties": false}
	if description := g.comments[of.Name()]; description != "" {
		object["description"] = description
	}
	if required != nil {
		object["required"] = required
	}
	return object
}

// value is the schema of a type, which the caller may add to.
func (g *generator) value(of reflect.Type) schema {
	zero := reflect.Zero(of).Interface()
	if formatted, ok := zero.(rule.Formatted); ok {
		return schema{"type": "string", "pattern": formatted.Pattern(), "examples": []string{formatted.Example()}}
	}
	if enumerated, ok := zero.(rule.Enumerated); ok {
		return schema{"type": "string", "enum": enumerated.Values()}
	}
	switch of.Kind() {
	case reflect.Pointer:
		return g.value(of.Elem())
	case reflect.Struct:
		if g.definitions[of.Name()] == nil {
			g.definitions[of.Name()] = schema{} // types may contain themselves
			g.definitions[of.Name()] = g.structure(of)
		}
		return schema{"$ref": "#/$defs/" + of.Name()}
	case reflect.Slice:
		return schema{"type": "array", "items": g.value(of.Elem())}
	case reflect.Map:
		return g.mapping(of)
	case reflect.String:
		return schema{"type": "string"}
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.Int:
		return schema{"type": "integer"}
	}
	panic(fmt.Sprintf("schemagen: no schema of %s", of))
}

// mapping is the schema of a map, whose keys may be enumerated.
func (g *generator) mapping(of reflect.Type) schema {
	enumerated, ok := reflect.TypeAssert[rule.Enumerated](reflect.Zero(of.Key()))
	if !ok {
		return schema{"type": "object", "additionalProperties": g.value(of.Elem())}
	}
	properties := schema{}
	for _, name := range enumerated.Values() {
		property := g.value(of.Elem())
		// The comment begins with the name of the constant.
		if _, description, found := strings.Cut(g.comments[of.Key().Name()+"="+name], " "); found {
			property["description"] = name + " " + description
		}
		properties[name] = property
	}
	return schema{"type": "object", "properties": properties, "additionalProperties": false}
}

// refine adds a field's own rules.
func refine(property schema, field rule.Field) {
	kind := field.Type.Kind()
	if kind == reflect.Pointer {
		kind = field.Type.Elem().Kind()
	}
	_, enumerated := reflect.TypeAssert[rule.Enumerated](reflect.Zero(field.Type))
	switch {
	case field.Required && kind == reflect.Slice:
		property["minItems"] = 1
	case field.Required && kind == reflect.String && !enumerated:
		property["minLength"] = 1
	}
	if field.Min != nil {
		property["minimum"] = *field.Min
	}
	if field.Max != nil {
		property["maximum"] = *field.Max
	}
	if field.Default != "" {
		property["default"] = field.Default
		if value, err := strconv.ParseBool(field.Default); err == nil && kind == reflect.Bool {
			property["default"] = value
		}
	}
}

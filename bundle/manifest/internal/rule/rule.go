// Package rule reads the rules of the manifest's fields from the tags of its
// Go types, for the parser and for the generator of the JSON schema.
//
//	Count int `json:"count" manifest:"required,min=0"`
//
// The json tag has the name. The manifest tag is a list separated by commas:
//
//	required    the field must be there and not be empty
//	default=X   its value where it is missing
//	min=N max=N bounds of a whole number, inclusive
//	fetch=KIND  the text may be a file:// or http(s):// reference
package rule

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Field is one field of a manifest's type.
type Field struct {
	// Name is its key in YAML and JSON.
	Name string
	// Index is its index in the struct.
	Index int
	// Type is its Go type.
	Type reflect.Type
	// Required fields must be there and not be empty.
	Required bool
	// Default is the value where the field is missing, empty for none.
	Default string
	// Min and Max bound whole numbers; nil for no bound.
	Min, Max *int64
	// Fetch is what a reference leads to: text, image, json or job. It is
	// empty where the value cannot be a reference.
	Fetch string
}

// Fields are the fields of a struct, in their order. It panics on a tag that it
// does not know: that is a mistake in a type, not in a manifest.
func Fields(structure reflect.Type) []Field {
	var fields []Field
	for i := range structure.NumField() {
		of := structure.Field(i)
		if !of.IsExported() {
			continue
		}
		name, _, _ := strings.Cut(of.Tag.Get("json"), ",")
		field := Field{Name: name, Index: i, Type: of.Type}
		if tag := of.Tag.Get("manifest"); tag != "" {
			for word := range strings.SplitSeq(tag, ",") {
				field.set(structure, word)
			}
		}
		fields = append(fields, field)
	}
	return fields
}

func (f *Field) set(structure reflect.Type, word string) {
	key, value, _ := strings.Cut(word, "=")
	switch key {
	case "required":
		f.Required = true
	case "default":
		f.Default = value
	case "min":
		f.Min = number(structure, word, value)
	case "max":
		f.Max = number(structure, word, value)
	case "fetch":
		f.Fetch = value
	default:
		panic(fmt.Sprintf("rule: %s.%s: unknown rule %q", structure, f.Name, word))
	}
}

func number(structure reflect.Type, word, value string) *int64 {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		panic(fmt.Sprintf("rule: %s: %q is not a number", structure, word))
	}
	return &n
}

// Enumerated are texts of which there are only some.
type Enumerated interface {
	// Values are all texts that a manifest may have, in the order of
	// importance.
	Values() []string
}

// Formatted are texts with a syntax.
type Formatted interface {
	// Pattern is a regular expression, in the syntax that Go and ECMA 262
	// share, that all valid texts match; some that match may be invalid.
	Pattern() string
	// Example is a valid text.
	Example() string
}

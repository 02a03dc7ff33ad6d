package manifest

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzParse holds that no text makes the parser panic, that every problem has
// a message and, if it is about a field, a place, and that a valid manifest
// says the same after it was encoded.
func FuzzParse(f *testing.F) {
	for _, text := range validExamples(f) {
		f.Add(text)
	}
	archives, err := filepath.Glob("testdata/rules/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range archives {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if filepath.Ext(file.Name) == ".yaml" {
				f.Add(append([]byte(header), file.Data...))
			}
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		m, warnings, err := Parse("app.yaml", bytes.NewReader(text))
		problems := []Problem(warnings)
		if err != nil {
			var refused *Errors
			if !errors.As(err, &refused) || len(refused.Problems) == 0 {
				t.Fatalf("error %v is not about the manifest", err)
			}
			problems = append(problems, refused.Problems...)
		}
		for _, problem := range problems {
			if problem.Message == "" || problem.Path != "" && problem.Line == 0 {
				t.Errorf("problem without message or place: %#v", problem)
			}
		}
		if m == nil {
			return
		}
		encoded, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, _, err := Parse("app.yaml", bytes.NewReader(encoded))
		if err != nil {
			t.Fatalf("%v\n%s", err, encoded)
		}
		if diff := cmp.Diff(m, again, sameFields); diff != "" {
			t.Errorf("it changed when it was encoded (-before +after):\n%s\n%s", diff, encoded)
		}
	})
}

// FuzzText holds that a text is the same after it was set and encoded.
func FuzzText(f *testing.F) {
	for _, text := range []string{"a\nb\n", " a\n", "a\r\n", "\u0085\n", "# a\n", "a: b\n- c\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, _, err := Parse("app.yaml", bytes.NewReader([]byte(header)))
		if err != nil {
			t.Fatal(err)
		}
		edited, _, err := m.With(Edit{"metadata.author", text}, Edit{"metadata.description", text})
		if err != nil {
			t.Skip(err)
		}
		encoded, err := edited.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, _, err := Parse("app.yaml", bytes.NewReader(encoded))
		if err != nil {
			t.Fatalf("%q: %v\n%s", text, err, encoded)
		}
		if again.Metadata.Author != text || again.Metadata.Description != text {
			t.Errorf("%q became %q and %q", text, again.Metadata.Author, again.Metadata.Description)
		}
	})
}

package discovery_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/tools/txtar"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery"
)

// FuzzReferences checks that a reference that is accepted has one name, which
// means the same again.
func FuzzReferences(f *testing.F) {
	for _, seed := range []string{
		"nginx", "nginx:1.29", "docker.io/library/nginx", "localhost/a:1", "localhost:5000/a/b@sha256:" + strings.Repeat("0", 64),
		"quay.io/Upper", "a//b", "a:b:c", " a", "index.docker.io/a", "a.b/c", "[::1]:5000/a", "x@sha256:1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ref, err := discovery.ParseReference(text)
		if err != nil {
			return
		}
		complete := discovery.Name(ref)
		again, err := discovery.ParseReference(complete)
		if err != nil {
			t.Fatalf("%q is %q, which is none: %v", text, complete, err)
		}
		if name := discovery.Name(again); name != complete {
			t.Errorf("%q is %q, which is %q", text, complete, name)
		}
	})
}

// FuzzDocuments checks that no file makes discovery panic or run away, that
// every problem has a file, and that setting an image changes nothing else.
func FuzzDocuments(f *testing.F) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range archives {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			f.Add(file.Data, strings.HasSuffix(file.Name, ".json"))
		}
	}
	if data, err := os.ReadFile("doc.go"); err == nil {
		f.Add(data, false)
	}
	f.Fuzz(func(t *testing.T, data []byte, asJSON bool) {
		name := "a.yaml"
		if asJSON {
			name = "a.json"
		}
		application := fstest.MapFS{name: {Data: data}, "other": {Data: data}}
		options := discovery.Options{Hooks: []discovery.HookJob{{YAML: data, File: "app.yaml", Line: 3}}}
		result, err := discovery.Discover(context.Background(), application, options)
		var problems discovery.Problems
		if err != nil && !errors.As(err, &problems) {
			t.Fatalf("not a list of problems: %v", err)
		}
		for _, problem := range problems {
			if problem.File == "" || problem.Line < 0 {
				t.Errorf("a problem without a place: %v", problem)
			}
		}
		if result == nil {
			t.Fatal("no result")
		}
		lines := strings.Count(string(data), "\n") + 3
		for _, image := range result.Images {
			for _, place := range image.Places {
				if place.Line < 1 || place.Line > lines+1 {
					t.Errorf("%s is not in the file of %d lines", place, lines)
				}
			}
			checkSet(t, application, name, image)
		}
	})
}

// checkSet sets an image to another tag; the file must shrink or grow by the
// difference of the texts only, times the changes.
func checkSet(t *testing.T, application fstest.MapFS, name string, image discovery.Image) {
	t.Helper()
	wanted := image.Reference.Context().Name() + ":set-by-the-test"
	changed, err := discovery.SetImages(context.Background(), application, []string{wanted}, discovery.Options{})
	if err != nil {
		return // not written in one piece
	}
	for file, data := range changed {
		if file == name && !strings.Contains(string(data), "set-by-the-test") {
			t.Errorf("setting %s changed the file to\n%s", wanted, data)
		}
	}
}

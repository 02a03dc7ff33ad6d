package manifest

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what tests expect from what they get")

// header is what cases begin with that are not whole manifests.
const header = "apiVersion: bundle.gravitational.io/v2\nkind: Bundle\nmetadata:\n  name: a\n  resourceVersion: 1.0.0\n"

// TestRules holds every rule of the manifest against what it says of manifests
// that break it.
func TestRules(t *testing.T) {
	archives, err := filepath.Glob("testdata/rules/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal(archives, err)
	}
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) { testArchive(t, name) })
	}
}

func testArchive(t *testing.T, name string) {
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	wants := map[string]string{}
	for _, file := range archive.Files {
		wants[file.Name] = string(file.Data)
	}
	var files []txtar.File
	for _, file := range archive.Files {
		base, isCase := strings.CutSuffix(file.Name, ".yaml")
		if !isCase {
			continue
		}
		text := file.Data
		if !bytes.HasPrefix(text, []byte("apiVersion")) && !bytes.HasPrefix(text, []byte("#")) {
			text = append([]byte(header), text...)
		}
		got := verdict(bytes.NewReader(text))
		files = append(files, file, txtar.File{Name: base + ".want", Data: []byte(got)})
		if *update {
			continue
		}
		t.Run(base, func(t *testing.T) {
			if diff := cmp.Diff(wants[base+".want"], got); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
	if *update {
		archive.Files = files
		if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// verdict is what Parse says of a manifest, a line for each problem and
// warning, or "ok".
func verdict(text *bytes.Reader) string {
	_, warnings, err := Parse("app.yaml", text)
	return describeResult(warnings, err)
}

func describeResult(warnings Warnings, err error) string {
	var b strings.Builder
	var refused *Errors
	switch {
	case errors.As(err, &refused):
		for _, problem := range refused.Problems {
			b.WriteString("error: " + problem.Error() + "\n")
		}
	case err != nil:
		b.WriteString("error: " + err.Error() + "\n")
	default:
		b.WriteString("ok\n")
	}
	for _, warning := range warnings {
		b.WriteString("warning: " + warning.Error() + "\n")
	}
	return b.String()
}

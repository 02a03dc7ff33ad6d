package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files again")

// TestGolden compares what commands print with files, for tars and for folders
// alike.
func TestGolden(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, kind := range []string{"old", "new", "app"} {
		if err := writeFixture(kind, kind+".tar"); err != nil {
			t.Fatal(err)
		}
	}
	for name, args := range map[string][]string{
		"inspect.txt":      {"inspect", "old.tar"},
		"inspect.json":     {"inspect", "old.tar", "-o", "json"},
		"inspect-app.txt":  {"inspect", "app.tar"},
		"inspect-app.json": {"inspect", "app.tar", "-o", "json"},
		"verify.txt":       {"verify", "old.tar"},
		"verify.json":      {"verify", "old.tar", "-o", "json"},
		"verify-quiet.txt": {"verify", "--quiet", "old.tar"},
		"diff.txt":         {"diff", "old.tar", "new.tar"},
		"diff.json":        {"diff", "old.tar", "new.tar", "-o", "json"},
		"diff-same.txt":    {"diff", "old.tar", "old.tar"},
		"diff-app.txt":     {"diff", "old.tar", "app.tar"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			command := newCommand()
			command.SetArgs(args)
			command.SetOut(&stdout)
			command.SetErr(&stderr)
			if err := command.ExecuteContext(t.Context()); err != nil {
				t.Fatal(err)
			}
			if stderr.Len() > 0 {
				t.Errorf("standard error: %s", stderr.String())
			}
			compareGolden(t, name, stdout.Bytes())
		})
	}
}

// golden is the folder of expected outputs, wherever the test works.
var golden = func() string {
	path, err := filepath.Abs("testdata/golden")
	if err != nil {
		panic(err)
	}
	return path
}()

func compareGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join(golden, name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("mismatch (-want +got), run with -update if it is meant:\n%s", diff)
	}
}

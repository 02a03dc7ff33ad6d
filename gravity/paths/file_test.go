package paths_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

func TestWriteFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b")
	for _, test := range []struct {
		content string
		mode    os.FileMode
		written bool
	}{{"one", 0o600, true}, {"one", 0o600, false}, {"one", 0o644, true}, {"two", 0o644, true}} {
		before, _ := os.Stat(path)
		if err := paths.WriteFile(path, []byte(test.content), test.mode); err != nil {
			t.Fatal(err)
		}
		after, err := os.Stat(path)
		if err != nil || after.Mode() != test.mode {
			t.Errorf("%+v: mode %v, %v", test, after.Mode(), err)
		}
		if written := before == nil || !os.SameFile(before, after); written != test.written {
			t.Errorf("%+v: written %v", test, written)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != test.content {
			t.Errorf("%+v: %q, %v", test, got, err)
		}
	}
}

func TestLink(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "link")
	for _, target := range []string{"one", "one", "two"} {
		if err := paths.Link(target, path); err != nil {
			t.Fatal(err)
		}
		if got, err := os.Readlink(path); err != nil || got != target {
			t.Errorf("%q, %v, want %q", got, err, target)
		}
	}
}

func TestNew(t *testing.T) {
	p, err := paths.New("")
	if err != nil || p.Root != paths.DefaultRoot {
		t.Errorf("%q, %v", p.Root, err)
	}
	if p, err = paths.New("relative"); err != nil || !filepath.IsAbs(p.Root) {
		t.Errorf("%q, %v", p.Root, err)
	}
	link := filepath.Join(t.TempDir(), "link")
	folder, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(folder, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "not/there"} {
		if p, err = paths.New(filepath.Join(link, name)); err != nil || p.Root != filepath.Join(folder, name) {
			t.Errorf("%q by a link: %q, %v", name, p.Root, err)
		}
	}
	// The tests' program is not installed.
	if got := paths.Installed(); got != paths.DefaultRoot {
		t.Errorf("installed to %q", got)
	}
}

package recipe

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func treeHash(t *testing.T, folder string) string {
	t.Helper()
	hash, err := hashTree(folder, isTest)
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

func TestHashTree(t *testing.T) {
	original := map[string]string{
		"go.mod": "module a", "sub/main.go": "package main",
		"etc/masked.service": "-> /dev/null", "etc/dangling.target": "-> /nowhere/on/this/host",
	}
	with := func(name, content string) map[string]string {
		changed := map[string]string{name: content}
		for other, kept := range original {
			if other != name {
				changed[other] = kept
			}
		}
		return changed
	}
	renamed := with("sub/other.go", "package main")
	delete(renamed, "sub/main.go")
	want := treeHash(t, writeTree(t, original))
	for _, test := range []struct {
		name  string
		files map[string]string
		equal bool
	}{
		{"another folder", original, true},
		{"a test more", with("sub/main_test.go", "package main"), true},
		{"test data more", with("sub/testdata/x", "x"), true},
		{"a file changed", with("go.mod", "module b"), false},
		{"a file more", with("sub/other.go", ""), false},
		{"a file renamed", renamed, false},
		{"a link that leads elsewhere", with("etc/masked.service", "-> /dev/zero"), false},
		{"a link became a file of the same bytes", with("etc/masked.service", ""), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := treeHash(t, writeTree(t, test.files)); (got == want) != test.equal {
				t.Errorf("hashes %s and %s, want equal: %t", got, want, test.equal)
			}
		})
	}
	t.Run("modes and times", func(t *testing.T) {
		folder := writeTree(t, original)
		path := filepath.Join(folder, "go.mod")
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Time{}, time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		if got := treeHash(t, folder); got != want {
			t.Errorf("hash %s, want %s", got, want)
		}
	})
	t.Run("no folder", func(t *testing.T) {
		if _, err := hashTree(filepath.Join(t.TempDir(), "none"), nil); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("error %v, want that the folder does not exist", err)
		}
	})
}

func TestHashSources(t *testing.T) {
	files := map[string]string{"releases.yaml": "a", "recipe/steps.go": "b", "cmd/runtimes/main.go": "c", "trial/trial.go": "d"}
	hash := func() string {
		got, err := hashSources(writeTree(t, files))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	want := hash()
	files["cmd/runtimes/main.go"], files["trial/trial.go"], files["recipe/steps_test.go"] = "changed", "changed", "new"
	if got := hash(); got != want {
		t.Error("what only uses the recipe is part of its hash")
	}
	files["recipe/steps.go"] = "changed"
	if got := hash(); got == want {
		t.Error("the recipe's code is not part of its hash")
	}
}

func TestLockCleansTheCache(t *testing.T) {
	cache := writeTree(t, map[string]string{
		"steps/.tmp-1/half": "", "steps/whole-1/file": "",
		"packages/.fetch-1": "", "packages/abc.deb": "",
	})
	unlock, err := lock(t.Context(), Options{Cache: cache, Layout: filepath.Join(cache, "layout"), Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	for name, want := range map[string]bool{
		"steps/.tmp-1": false, "steps/whole-1/file": true, "packages/.fetch-1": false, "packages/abc.deb": true,
	} {
		if _, err := os.Stat(filepath.Join(cache, name)); (err == nil) != want {
			t.Errorf("%s: exists %t, want %t", name, err == nil, want)
		}
	}
}

// TestLockWaits takes the cache, or a layout that another cache's build writes,
// and wants a second build to say that it waits, and to stop when it is told.
func TestLockWaits(t *testing.T) {
	for _, taken := range []string{"cache", "layout"} {
		t.Run(taken, func(t *testing.T) {
			folder := t.TempDir()
			first := Options{Cache: filepath.Join(folder, "cache"), Layout: filepath.Join(folder, "layout"), Log: t.Output()}
			unlock, err := lock(t.Context(), first)
			if err != nil {
				t.Fatal(err)
			}
			second := first
			if taken == "layout" {
				second.Cache = filepath.Join(folder, "other")
			}
			var log bytes.Buffer
			second.Log = &log
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := lock(ctx, second); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want %v", err, context.Canceled)
			}
			if !strings.Contains(log.String(), "waiting for another build") {
				t.Errorf("log %q does not say what it waits for", log.String())
			}
			unlock()
			unlock, err = lock(t.Context(), second)
			if err != nil {
				t.Fatalf("the lock was not free again: %v", err)
			}
			unlock()
		})
	}
}

func TestLockFails(t *testing.T) {
	folder := t.TempDir()
	options := Options{Cache: filepath.Join(folder, "cache"), Layout: filepath.Join(folder, "layout"), Log: t.Output()}
	steps := filepath.Join(options.Cache, "steps") // to be a folder
	if err := os.Mkdir(options.Cache, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(steps, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := lock(t.Context(), options); err == nil {
		t.Fatal("a cache that cannot be cleaned is no error")
	}
	if err := os.Remove(steps); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // a lock that is held is not waited for
	unlock, err := lock(ctx, options)
	if err != nil {
		t.Fatalf("an error left something locked: %v", err)
	}
	unlock()
}

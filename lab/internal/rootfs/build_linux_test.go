package rootfs_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/internal/debian"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/rootfs"
)

// fakeBuilder puts a script in the place of mmdebstrap. Its variables are the
// directory to fill and the number of its calls so far.
func fakeBuilder(t *testing.T, script string) (calls func() int) {
	t.Helper()
	directory := t.TempDir()
	count := filepath.Join(directory, "calls")
	text := "#!/bin/sh\nset -eu\necho >> " + count + "\nfor a in \"$@\"; do case \"$a\" in /*) directory=$a;; esac; done\n" +
		"mkdir \"$directory\"\n" + script
	if err := os.WriteFile(filepath.Join(directory, "mmdebstrap"), []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", directory+":"+os.Getenv("PATH"))
	t.Setenv(debian.MirrorVariable, "http://mirror.invalid/debian")
	return func() int {
		content, _ := os.ReadFile(count)
		return len(content)
	}
}

func TestEnsureBuildsOnce(t *testing.T) {
	calls := fakeBuilder(t, `sleep 0.2; echo "I: working" >&2; echo content > "$directory/file"`)
	cache := filepath.Join(t.TempDir(), "cache")
	recipe := rootfs.NewRecipe([]string{"curl"})
	// What a killed build has left.
	key, err := recipe.Key()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(cache, "root-"+key+".tmp", "half"), 0o700); err != nil {
		t.Fatal(err)
	}
	var (
		mu          sync.Mutex
		lines       []string
		directories = make([]string, 4)
		group       sync.WaitGroup
	)
	for i := range directories {
		group.Go(func() {
			var err error
			directories[i], err = rootfs.Ensure(t.Context(), cache, recipe, func(line string) {
				mu.Lock()
				defer mu.Unlock()
				lines = append(lines, line)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if calls() != 1 || len(slices.Compact(directories)) != 1 {
		t.Errorf("built %d times, in %v", calls(), directories)
	}
	for _, want := range []string{"waiting for another process that builds the root file system", "  working"} {
		if !slices.Contains(lines, want) {
			t.Errorf("progress lacks %q: %q", want, lines)
		}
	}
	for path, want := range map[string]string{
		"file": "content\n", "etc/sudoers.d/lab": "admin ALL=(ALL) NOPASSWD: ALL\n", "etc/machine-id": "",
	} {
		if content, err := os.ReadFile(filepath.Join(directories[0], path)); err != nil || string(content) != want {
			t.Errorf("%s = %q, %v", path, content, err)
		}
	}
	if _, err := os.Stat(filepath.Join(directories[0], "half")); err == nil {
		t.Error("the result has parts of an unfinished build")
	}
	onlyRoots(t, cache, 1)
}

func TestEnsureFails(t *testing.T) {
	fakeBuilder(t, `echo "E: no such package" >&2; exit 25`)
	cache := t.TempDir()
	_, err := rootfs.Ensure(t.Context(), cache, rootfs.NewRecipe(nil), func(string) {})
	if err == nil || !strings.Contains(err.Error(), "E: no such package") {
		t.Errorf("err = %v", err)
	}
	onlyRoots(t, cache, 0)
}

func TestEnsureIsCancelled(t *testing.T) {
	fakeBuilder(t, `exec sleep 60`)
	cache := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := rootfs.Ensure(ctx, cache, rootfs.NewRecipe(nil), func(string) {}); err == nil {
		t.Error("no error")
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %s to end", took)
	}
	onlyRoots(t, cache, 0)
}

// onlyRoots checks that a cache has so many root file systems and nothing
// unfinished.
func onlyRoots(t *testing.T, cache string, want int) {
	t.Helper()
	entries, err := os.ReadDir(cache)
	if err != nil {
		t.Fatal(err)
	}
	var roots int
	for _, entry := range entries {
		switch {
		case strings.HasSuffix(entry.Name(), ".lock"):
		case strings.HasSuffix(entry.Name(), ".tmp"):
			t.Errorf("%s is left", entry.Name())
		default:
			roots++
		}
	}
	if roots != want {
		t.Errorf("the cache has %d root file systems, not %d", roots, want)
	}
}

func TestKey(t *testing.T) {
	key := func(packages ...string) string {
		t.Helper()
		key, err := rootfs.NewRecipe(packages).Key()
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	if key("curl", "less") != key("less", "curl", "curl") {
		t.Error("order and repetition change the key")
	}
	if key("curl") == key("less") {
		t.Error("packages do not change the key")
	}
	if !strings.HasPrefix(key(), debian.Suite+"-") {
		t.Errorf("key = %s", key())
	}
}

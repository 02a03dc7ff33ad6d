package apps_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

// program is an executable that make has built, or one of the system.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "bin", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if path, err = exec.LookPath(name); err != nil {
		t.Fatalf("%s is not there; 'make build clients' makes it", name)
	}
	return path
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	var output, failure bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, program(t, name), args...)
	command.Stdout, command.Stderr = &output, &failure
	if err := command.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, failure.String())
	}
	return output.String()
}

// TestBundle builds both forms of the application twice, from different folders
// and caches, and reads the result with everybody's tools.
func TestBundle(t *testing.T) {
	if testing.Short() {
		t.Skip("builds bundles of a hundred megabytes")
	}
	for _, form := range []string{"ledger", "ledger-chart"} {
		t.Run(form, func(t *testing.T) {
			dir := t.TempDir()
			copied := filepath.Join(dir, "copy")
			if err := os.CopyFS(copied, os.DirFS(form)); err != nil {
				t.Fatal(err)
			}
			first, second := filepath.Join(dir, "first.tar"), filepath.Join(dir, "second.tar")
			run(t, "tele", "build", form, "-o", first, "--state-dir", filepath.Join(dir, "a"))
			run(t, "tele", "build", copied, "-o", second, "--state-dir", filepath.Join(dir, "b"))
			if !equal(t, first, second) {
				t.Fatal("the bundle depends on where it is built")
			}
			run(t, "tele", "verify", first)
			checkEntries(t, first)
			folder := filepath.Join(dir, "extracted")
			if err := os.Mkdir(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			run(t, "tar", "-xf", first, "-C", folder)
			run(t, "tele", "verify", folder)
			readPackages(t, filepath.Join(folder, "packages"))
		})
	}
}

// checkEntries wants that a tar's listing shows what the guide lists.
func checkEntries(t *testing.T, bundle string) {
	t.Helper()
	var names []string
	for name := range strings.Lines(run(t, "tar", "-tf", bundle)) {
		if name = strings.TrimSpace(name); !strings.HasPrefix(name, "packages/") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	want := []string{"README", "app.yaml", "gravity", "gravity.db", "install", "run_preflight_checks", "upgrade", "upload"}
	if !slices.Equal(names, want) {
		t.Errorf("entries %q", names)
	}
}

// readPackages reads the image layout with skopeo, crane and oras.
func readPackages(t *testing.T, layout string) {
	t.Helper()
	const image = "gravity.local/examples/ledger:1.0.0"
	t.Run("skopeo", func(t *testing.T) {
		var manifest struct{ Layers []struct{ Digest string } }
		if err := json.Unmarshal([]byte(run(t, "skopeo", "inspect", "--raw", "oci:"+layout+":"+image)), &manifest); err != nil {
			t.Fatal(err)
		}
		if len(manifest.Layers) == 0 {
			t.Error("the image has no layers")
		}
		run(t, "skopeo", "copy", "--insecure-policy", "oci:"+layout+":"+image, "dir:"+filepath.Join(t.TempDir(), "copy"))
	})
	t.Run("oras", func(t *testing.T) {
		tags := run(t, "oras", "repo", "tags", "--oci-layout", layout)
		if !strings.Contains(tags, image) {
			t.Errorf("tags: %s", tags)
		}
		run(t, "oras", "manifest", "fetch", "--oci-layout-path", layout, image)
	})
	t.Run("crane", func(t *testing.T) {
		server := httptest.NewServer(registry.New(registry.Logger(slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo))))
		t.Cleanup(server.Close)
		pushed := strings.TrimPrefix(server.URL, "http://") + "/ledger:1.0.0"
		run(t, "crane", "push", "--index", layout, pushed)
		// Without --fast it would read layers of zstd as gzip, and wait for ever.
		run(t, "crane", "validate", "--fast", "--remote", pushed)
	})
}

// equal compares two files.
func equal(t *testing.T, a, b string) bool {
	t.Helper()
	first, err := os.Open(a)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	second, err := os.Open(b)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	one, two := make([]byte, 1<<20), make([]byte, 1<<20)
	for {
		n, err := io.ReadFull(first, one)
		m, _ := io.ReadFull(second, two)
		if !bytes.Equal(one[:n], two[:m]) {
			return false
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return true
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

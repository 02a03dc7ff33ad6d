package bundle_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// TestCompressedBundlesAreRecognised compresses a bundle with what users have.
func TestCompressedBundlesAreRecognised(t *testing.T) {
	path := write(t, complete())
	for _, tool := range []struct{ name, hint string }{{"gzip", "gunzip"}, {"xz", "unxz"}, {"zstd", "unzstd"}, {"bzip2", "bunzip2"}} {
		t.Run(tool.name, func(t *testing.T) {
			if _, err := exec.LookPath(tool.name); err != nil {
				t.Skip("is not installed")
			}
			content, err := exec.CommandContext(t.Context(), tool.name, "-c", path).Output()
			if err != nil {
				t.Fatal(err)
			}
			err = checkBytes(t, content)
			if err == nil || !strings.Contains(err.Error(), "compressed with "+tool.name) {
				t.Errorf("error %v", err)
			}
			if hints := strings.Join(cli.Hints(err), " "); !strings.Contains(hints, "'"+tool.hint+"'") {
				t.Errorf("hints %q", hints)
			}
		})
	}
}

// TestOtherFiles opens what is no bundle.
func TestOtherFiles(t *testing.T) {
	empty := t.TempDir()
	if err := os.Mkdir(filepath.Join(empty, "packages"), 0o755); err != nil {
		t.Fatal(err)
	}
	var compressed bytes.Buffer
	if err := gzip.NewWriter(&compressed).Close(); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(empty, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("no tar\n", 1000)), 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		empty:                            "packages/index.json",
		text:                             "not a tar header",
		filepath.Join(empty, "not here"): "no such file",
		os.DevNull:                       "neither a file nor a folder",
	} {
		_, err := bundle.Open(path)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// TestApplicationWithoutRuntime is a bundle for clusters that exist already.
func TestApplicationWithoutRuntime(t *testing.T) {
	contents := complete()
	contents.Runtimes, contents.Gravity, contents.SBOM, contents.Resources = nil, nil, nil, nil
	path := write(t, contents)
	if err := verify(t, path); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range open(t, path).Entries() {
		names = append(names, entry.Name)
	}
	if got := strings.Join(names, " "); got != "README app.yaml gravity.db packages/oci-layout" {
		t.Errorf("entries %q", got)
	}
}

// TestWriteRefuses has contents that are no bundle.
func TestWriteRefuses(t *testing.T) {
	for want, change := range map[string]func(*bundle.Contents){
		`name "a b"`:                     func(c *bundle.Contents) { c.Name = "a b" },
		`version "1.2"`:                  func(c *bundle.Contents) { c.Version = "1.2" },
		"is not linux":                   func(c *bundle.Contents) { c.Platform.OS = "windows" },
		`architecture "s390"`:            func(c *bundle.Contents) { c.Platform.Architecture = "s390" },
		"or neither":                     func(c *bundle.Contents) { c.Gravity = nil },
		"one target runtime, not 2":      func(c *bundle.Contents) { c.Runtimes[0].Embedded = false },
		"runtime 1.36.3 is listed twice": func(c *bundle.Contents) { c.Runtimes[1].Version = "1.36.3" },
		"is listed twice":                func(c *bundle.Contents) { c.Images[1].Reference = c.Images[0].Reference },
		"image name":                     func(c *bundle.Contents) { c.Images[1].Reference = "a\nb" },
		"not that of an image":           func(c *bundle.Contents) { c.Images[2].Descriptor.MediaType = types.OCILayer },
		"does not list it":               func(c *bundle.Contents) { c.Images[1].Present[0].Hex = hexOf('c') },
		"marked as sparse":               func(c *bundle.Contents) { c.Images[2].Present = []v1.Hash{} },
		"file does not exist":            func(c *bundle.Contents) { c.Images[1].Present = nil },
		"app.yaml: 5000000 bytes":        func(c *bundle.Contents) { c.Manifest = make([]byte, 5_000_000) },
		"gravity.local/app/shop":         func(c *bundle.Contents) { c.Images[0].Reference = "gravity.local/app/shop:1.2.3_build.4" },
	} {
		contents := complete()
		change(&contents)
		path := filepath.Join(t.TempDir(), "shop.tar")
		_, err := bundle.Write(t.Context(), path, contents, bundle.Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: a file was written", want)
		}
	}
}

// TestConcurrentWritersLeaveOneGoodBundle has several writers of one name.
func TestConcurrentWritersLeaveOneGoodBundle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shop.tar")
	results := make(chan error)
	for range 8 {
		go func() {
			_, err := bundle.Write(t.Context(), path, complete(), bundle.Options{})
			results <- err
		}()
	}
	for range 8 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	checkOnly(t, path)
}

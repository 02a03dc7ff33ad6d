package image_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/gravity-platform/terraform-provider-gravity/examples/image"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// TestServe has every image that was built in a registry, and nothing left of that
// when it has ended.
func TestServe(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	target := filepath.Join(t.TempDir(), "layout")
	report := build(t, program(t, "ledger"), runtimes(t).folder, target)
	served, err := image.Serve(t.Context(), target, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	for i, built := range report.Images {
		want := strings.Replace(built.Name, "gravity.local", served.Address, 1)
		if i >= len(served.Images) || served.Images[i] != want {
			t.Fatalf("the registry has %q, want %s", served.Images, want)
		}
		reference, err := name.ParseReference(want)
		if err != nil {
			t.Fatal(err)
		}
		found, err := remote.Image(reference)
		if err != nil {
			t.Fatal(err)
		}
		if digest, err := found.Digest(); err != nil || digest.String() != built.Digest {
			t.Errorf("%s is %s, %v, want %s", want, digest, err, built.Digest)
		}
		if err := validate.Image(found, validate.Fast); err != nil {
			t.Errorf("%s: %v", want, err)
		}
	}
	if served.Requests() == 0 {
		t.Error("no requests were counted")
	}
	if _, err := image.Serve(t.Context(), target, served.Address); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("a second one at %s: %v", served.Address, err)
	}
	if err := served.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestServeNothing(t *testing.T) {
	_, err := image.Serve(t.Context(), t.TempDir(), "127.0.0.1:0")
	if err == nil || !strings.Contains(strings.Join(cli.Hints(err), "\n"), "make example-images") {
		t.Errorf("%v, hints %q", err, cli.Hints(err))
	}
}

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/preflight"
)

const modest = `apiVersion: app.gravitational.io/v2
kind: Application
metadata: {name: shop, resourceVersion: 1.0.0}
installer: {flavors: {items: [{name: one, nodes: [{profile: modest, count: 1}]}]}}
nodeProfiles:
- {name: modest, requirements: {cpu: {min: 3}}}
`

// TestSubjectIsBundle reads what a bundle says in each of its shapes, and as
// run_preflight_checks does.
func TestSubjectIsBundle(t *testing.T) {
	dir := t.TempDir()
	tarball, folder := filepath.Join(dir, "shop.tar"), filepath.Join(dir, "shop")
	_, err := bundle.Write(t.Context(), tarball, bundle.Contents{
		Name: "shop", Version: "1.0.0", Platform: v1.Platform{OS: "linux", Architecture: "arm64"},
		Manifest: []byte(modest), Source: bundle.Memory{},
	}, bundle.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if output, err := exec.CommandContext(t.Context(), "tar", "-xf", tarball, "-C", folder).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	for name, paths := range map[string][2]string{
		"tar":             {tarball, ""},
		"folder":          {folder, ""},
		"only image path": {"", folder},
		"script":          {filepath.Join(folder, "app.yaml"), folder},
	} {
		t.Run(name, func(t *testing.T) {
			subject, err := openSubject(new(trusted), paths[0], paths[1], "")
			if err != nil {
				t.Fatal(err)
			}
			var options preflight.Options
			subject.fill(&options)
			if options.Architecture != "arm64" || options.Profile.Requirements.CPU.Min != 3 || options.Space.Bundle < int64(len(modest)) {
				t.Errorf("the options are %+v", options)
			}
		})
	}
	if _, err := openSubject(new(trusted), tarball, folder, ""); err == nil {
		t.Error("two bundles are one too many")
	}
	if err := os.Truncate(tarball, 2048); err != nil {
		t.Fatal(err)
	}
	if _, err := openSubject(new(trusted), tarball, "", ""); err == nil || !strings.Contains(err.Error(), "shop.tar") {
		t.Errorf("a bundle that is cut off: %v", err)
	}
}

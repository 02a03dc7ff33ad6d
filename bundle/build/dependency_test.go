package build

import (
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
)

const head = "apiVersion: bundle.gravitational.io/v2\nkind: Bundle\nmetadata: {name: shop, resourceVersion: 1.0.0}\n"

func TestDependencyEdits(t *testing.T) {
	dependencies := "dependencies:\n  packages: [gravitational.io/web:1.0.0]\n  apps: [gravitational.io/db:1.0.0, gravitational.io/cache:2.0.0]\n"
	for _, test := range []struct{ name, manifest, text, want, err string }{
		{name: "package", manifest: dependencies, text: "web:1.1.0", want: "gravitational.io/web:1.1.0"},
		{name: "application", manifest: dependencies, text: "gravitational.io/cache:3.0.0", want: "gravitational.io/cache:3.0.0"},
		{name: "runtime", manifest: "baseImage: gravity:1.36.3\n", text: "kubernetes:1.37.2", want: "baseImage: gravity:1.37.2"},
		{name: "runtime by its other name", text: "gravity:1.37.2", want: "baseImage: gravity:1.37.2"},
		{name: "runtime where the manifest has it", manifest: "systemOptions: {runtime: {version: 1.36.3}}\n", text: "kubernetes:1.37.2", want: "version: 1.37.2"},
		{name: "unknown", manifest: dependencies, text: "other:1.0.0", err: "no dependency of this name"},
		{name: "no version", text: "web", err: "--set-dep web"},
		{name: "bad version", text: "web:one", err: "--set-dep web:one"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, _, err := manifest.Parse("app.yaml", strings.NewReader(head+test.manifest))
			if err != nil {
				t.Fatal(err)
			}
			edits, err := dependencyEdits(m, test.text)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			edited, _, err := m.With(edits...)
			if err != nil {
				t.Fatal(err)
			}
			text, err := edited.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(text), test.want) || strings.Contains(string(text), "1.36.3") {
				t.Errorf("manifest:\n%s", text)
			}
		})
	}
}

func TestNewestFirst(t *testing.T) {
	got := strings.Join(newestFirst([]string{"1.9.0", "latest", "1.37.2", "1.37.2", "v1.40.0", "1.37.10"}), " ")
	if got != "1.37.10 1.37.2 1.9.0" {
		t.Error(got)
	}
}

package apps_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery/chart"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery/kustomization"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// The two forms of the application.
const (
	plain = "ledger"
	helm  = "ledger-chart"
)

// The images of version 1.0.0, and what 2.0.0 has in place of the last.
const (
	etcdImage = "gravity.local/examples/etcd:3.7.3"
	hookImage = "gravity.local/examples/hook:1.0.0"
	webImage  = "gravity.local/examples/ledger:1.0.0"
	newImage  = "gravity.local/examples/ledger:2.0.0"
)

func open(t *testing.T, folder string) fs.FS {
	t.Helper()
	root, files, err := discovery.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return files
}

func parse(t *testing.T, files fs.FS) *manifest.Manifest {
	t.Helper()
	content, err := fs.ReadFile(files, "app.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m, warnings, err := manifest.Parse("app.yaml", bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	for _, warning := range warnings {
		t.Error(warning)
	}
	return m
}

func options(t *testing.T, m *manifest.Manifest, set ...string) discovery.Options {
	t.Helper()
	charts, err := chart.New(chart.Options{KubernetesVersion: string(m.RuntimeVersion()), Set: set})
	if err != nil {
		t.Fatal(err)
	}
	options := discovery.Options{Charts: charts, Kustomizations: kustomization.New()}
	for name, hook := range m.Hooks {
		line, _ := m.Position("hooks." + string(name) + ".job")
		options.Hooks = append(options.Hooks, discovery.HookJob{YAML: []byte(hook.Job), File: "app.yaml", Line: line + 1})
	}
	return options
}

func names(images []discovery.Image) []string {
	var names []string
	for _, image := range images {
		names = append(names, image.Name)
	}
	return names
}

// discover wants to find exactly these images.
func discover(t *testing.T, files fs.FS, options discovery.Options, want ...string) {
	t.Helper()
	result, err := discovery.Discover(t.Context(), files, options)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, names(result.Images)); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
	if len(result.Suspects) > 0 {
		t.Errorf("suspects %q", names(result.Suspects))
	}
}

func TestManifests(t *testing.T) {
	catalogue, err := runtime.Releases()
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{plain, helm} {
		t.Run(form, func(t *testing.T) {
			m := parse(t, open(t, form))
			release, err := catalogue.Find(string(m.RuntimeVersion()))
			if err != nil {
				t.Fatal(err)
			}
			if want := "gravity.local/examples/etcd:" + release.Components["etcd"]; want != etcdImage {
				t.Errorf("the application asks for %s, `make example-images` builds %s", etcdImage, want)
			}
			for name, count := range map[string]int{"one": 1, "two": 2, "three": 3, "": 1} {
				flavor, ok := m.Flavor(name)
				if !ok || len(flavor.Nodes) != 1 || flavor.Nodes[0].Count != count {
					t.Errorf("flavor %q is %+v", name, flavor)
				}
			}
		})
	}
}

func TestImages(t *testing.T) {
	for _, form := range []string{plain, helm} {
		t.Run(form, func(t *testing.T) {
			files := open(t, form)
			discover(t, files, options(t, parse(t, files)), etcdImage, hookImage, webImage)
		})
	}
}

// TestNewVersion wants the options of the README to give version 2.0.0.
func TestNewVersion(t *testing.T) {
	for form, set := range map[string][]string{plain: nil, helm: {"image=" + newImage}} {
		t.Run(form, func(t *testing.T) {
			files := open(t, form)
			o := options(t, parse(t, files), set...)
			changed, err := discovery.SetImages(t.Context(), files, []string{newImage}, o)
			if err != nil {
				t.Fatal(err)
			}
			discover(t, discovery.Overlay(files, changed), o, etcdImage, hookImage, newImage)
			var paths []string
			for path := range changed {
				paths = append(paths, path)
			}
			// The hooks read the image from this file.
			if want := map[string]string{plain: "resources/ledger.yaml", helm: "images.yaml"}[form]; !slices.Equal(paths, []string{want}) {
				t.Errorf("changed files %q, want %s", paths, want)
			}
			got := webImageOf(t, form, changed)
			if got != newImage {
				t.Errorf("the hooks take %q for the image", got)
			}
		})
	}
}

// webImageOf calls the hooks' function with changed files.
func webImageOf(t *testing.T, form string, changed map[string][]byte) string {
	t.Helper()
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS(form)); err != nil {
		t.Fatal(err)
	}
	for name, content := range changed {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	output, err := exec.CommandContext(t.Context(), "sh", "-euc", `folder=$1; . "$folder/scripts/objects.sh"; web_image`, "sh", folder).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(output))
}

// TestFormsAgree wants the chart to render to the plain objects, and what the
// forms have twice to be the same.
func TestFormsAgree(t *testing.T) {
	charts, err := chart.New(chart.Options{KubernetesVersion: string(parse(t, open(t, helm)).RuntimeVersion())})
	if err != nil {
		t.Fatal(err)
	}
	rendering, err := charts.Render(t.Context(), open(t, helm), []string{"chart"})
	if err != nil || len(rendering.Problems) > 0 {
		t.Fatal(err, rendering.Problems)
	}
	rendered := make(map[string]any)
	for _, text := range rendering.Texts {
		collect(t, rendered, path.Base(text.File), text.YAML)
	}
	written := make(map[string]any)
	for _, name := range []string{"database.yaml", "ledger.yaml"} {
		content, err := os.ReadFile(filepath.Join(plain, "resources", name))
		if err != nil {
			t.Fatal(err)
		}
		collect(t, written, name, content)
	}
	if len(written) != 7 {
		t.Errorf("there are %d objects", len(written))
	}
	if diff := cmp.Diff(written, rendered); diff != "" {
		t.Errorf("objects (-plain +chart):\n%s", diff)
	}
	for _, name := range []string{"scripts/hook.sh", "scripts/volumes.sh"} {
		if read(t, plain, name) != read(t, helm, name) {
			t.Errorf("%s differs: copy it", name)
		}
	}
	same := strings.NewReplacer("name: ledger-chart\n", "name: ledger\n", "as a Helm chart.", "as plain YAML.")
	if diff := cmp.Diff(read(t, plain, "app.yaml"), same.Replace(read(t, helm, "app.yaml"))); diff != "" {
		t.Errorf("app.yaml (-plain +chart):\n%s", diff)
	}
}

func read(t *testing.T, form, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(form, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// collect adds the objects of a file by kind and name.
func collect(t *testing.T, objects map[string]any, file string, content []byte) {
	t.Helper()
	for document := range strings.SplitSeq(string(content), "\n---\n") {
		var object map[string]any
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if object == nil {
			continue
		}
		metadata, _ := object["metadata"].(map[string]any)
		objects[file+" "+object["kind"].(string)+" "+metadata["name"].(string)] = object
	}
}

// TestHooks wants every hook of the manifest to be one of the script's, and to
// call what is in the folder.
func TestHooks(t *testing.T) {
	script := read(t, plain, "scripts/hook.sh")
	for name, hook := range parse(t, open(t, plain)).Hooks {
		var job struct {
			Spec struct {
				ActiveDeadlineSeconds int
				Template              struct {
					Spec struct{ Containers []struct{ Command []string } }
				}
			}
		}
		if err := yaml.Unmarshal([]byte(hook.Job), &job); err != nil {
			t.Fatal(err)
		}
		want := []string{"/bin/sh", "/var/lib/gravity/resources/scripts/hook.sh", string(name)}
		if got := job.Spec.Template.Spec.Containers[0].Command; !slices.Equal(got, want) {
			t.Errorf("hook %s runs %q", name, got)
		}
		if job.Spec.ActiveDeadlineSeconds == 0 {
			t.Errorf("hook %s has no deadline", name)
		}
		if !strings.Contains(script, "\n"+string(name)+") ") && !strings.Contains(script, "\n"+string(name)+" |") && !strings.Contains(script, "| "+string(name)+") ") {
			t.Errorf("the script has no hook %s", name)
		}
	}
}

// TestScripts checks the syntax with the shell of the hooks' image, or a like
// one.
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("*/scripts/*.sh")
	if err != nil || len(scripts) != 6 {
		t.Fatalf("scripts %q (%v)", scripts, err)
	}
	for _, script := range scripts {
		if output, err := exec.CommandContext(t.Context(), "sh", "-n", script).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", script, err, output)
		}
	}
}

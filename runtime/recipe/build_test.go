package recipe

import (
	"path/filepath"
	"slices"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// TestBuildIsNothingToDo builds runtimes that the layout has already.
func TestBuildIsNothingToDo(t *testing.T) {
	b := testBuilder(t, filepath.Join(t.TempDir(), "layout"), "recipe")
	b.steps = newTestSteps(t)
	base := testLayer(t, "base", "base")
	putRuntime(t, b, "1.37.2", base, testLayer(t, "kube", "1.37"))
	putRuntime(t, b, "1.36.3", base, testLayer(t, "kube", "1.36"))
	report, err := b.build(t.Context(), []runtime.Release{{Version: "1.36.3"}, {Version: "1.37.2"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Steps) > 0 || len(foldersOf(t, b.steps)) > 0 {
		t.Errorf("steps were run: %v", report.Steps)
	}
	if len(report.Runtimes) != 2 || report.Runtimes[0].Version != "1.36.3" {
		t.Fatalf("the report has %+v, want the runtimes in the order of the request", report.Runtimes)
	}
	for _, entry := range report.Runtimes {
		descriptor, _ := b.layout.find(runtime.Reference(entry.Version))
		if !entry.UpToDate || entry.Digest != descriptor.Digest.String() || len(entry.Layers) != 2 {
			t.Errorf("runtime %+v is not what the layout has", entry)
		}
	}
	if report.Runtimes[1].AddedBytes >= report.Runtimes[1].Bytes {
		t.Error("the second runtime shares nothing with the first")
	}
}

// TestBuildRefusesAmbiguousNames lets two runtimes have different images of
// the same name.
func TestBuildRefusesAmbiguousNames(t *testing.T) {
	b := testBuilder(t, filepath.Join(t.TempDir(), "layout"), "recipe")
	b.steps = newTestSteps(t)
	putRuntime(t, b, "1.37.2", testLayer(t, "etcd", "etcd"))
	other, err := b.putImage(image{name: "registry.test/etcd:1.37.2", role: runtime.RoleImage, layers: []layer{testLayer(t, "etcd", "another")}})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.layout.set([]v1.Descriptor{other}); err != nil {
		t.Fatal(err)
	}
	_, err = b.build(t.Context(), []runtime.Release{{Version: "1.37.2"}})
	wantError(t, err, "registry.test/etcd:1.37.2 of runtime 1.37.2 is not what the layout calls so")
}

func TestSelectReleases(t *testing.T) {
	catalogue := &runtime.Catalogue{Releases: []runtime.Release{{Version: "1.37.2"}, {Version: "1.37.1"}, {Version: "1.36.3"}}}
	for _, test := range []struct{ versions, want []string }{
		{nil, []string{"1.37.2", "1.37.1", "1.36.3"}},
		{[]string{"1.36.x", "1.37.x"}, []string{"1.36.3", "1.37.2", "1.37.1"}},
		{[]string{"1.37.1", "1.37.x", "v1.37.1"}, []string{"1.37.1", "1.37.2"}},
	} {
		releases, err := selectReleases(catalogue, test.versions)
		var got []string
		for _, release := range releases {
			got = append(got, release.Version)
		}
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%q selects %q (%v), want %q", test.versions, got, err, test.want)
		}
	}
	_, err := selectReleases(catalogue, []string{"1.37.x", "1.99.x"})
	wantError(t, err, "which has 1.37.2, 1.37.1, 1.36.3")
	if code := cli.ExitCode(err); code != cli.ExitUsage {
		t.Errorf("exit code %d, want %d", code, cli.ExitUsage)
	}
}

package runtime_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

const catalogue = `
sourceDate: "2026-11-01T00:00:00Z"
components: &components {etcd: 3.7.3, runc: 1.5.2}
releases:
- {version: 1.37.2, lts: true, upgradableFrom: [1.36.0, 1.37.0], components: *components}
- {version: 1.37.1, components: *components}
- {version: 1.36.13, upgradableFrom: [1.35.0], components: {etcd: 3.6.0}}
`

func parse(t *testing.T, content string) *runtime.Catalogue {
	t.Helper()
	parsed, err := runtime.ParseCatalogue([]byte(content))
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestParseCatalogue(t *testing.T) {
	shared := map[string]string{"etcd": "3.7.3", "runc": "1.5.2"}
	want := &runtime.Catalogue{
		SourceDate: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC),
		Components: shared,
		Releases: []runtime.Release{
			{Version: "1.37.2", LTS: true, UpgradableFrom: []string{"1.36.0", "1.37.0"}, Components: shared},
			{Version: "1.37.1", Components: shared},
			{Version: "1.36.13", UpgradableFrom: []string{"1.35.0"}, Components: map[string]string{"etcd": "3.6.0"}},
		},
	}
	if diff := cmp.Diff(want, parse(t, catalogue)); diff != "" {
		t.Errorf("catalogue mismatch (-want +got):\n%s", diff)
	}
}

func TestParseCatalogueRejects(t *testing.T) {
	for _, test := range []struct{ name, old, changed, want string }{
		{"no YAML", "releases:", "\treleases:", "runtime catalogue: "},
		{"unknown field", "lts: true", "longTerm: true", `unknown field "longTerm"`},
		{"key twice", "lts: true", "lts: true, lts: true", `"lts" already set`},
		{"no date", `sourceDate: "2026-11-01T00:00:00Z"`, "", "runtime catalogue: sourceDate is missing"},
		{"no time", "2026-11-01T00:00:00Z", "yesterday", `cannot parse "yesterday"`},
		{"no releases", catalogue[strings.Index(catalogue, "releases:"):], "", "runtime catalogue: no releases"},
		{"no version", "version: 1.37.1, ", "", `runtime catalogue: release "": `},
		{"with a v", "version: 1.37.1", "version: v1.37.1", `runtime catalogue: release "v1.37.1": `},
		{"two numbers", "version: 1.37.1", `version: "1.37"`, `runtime catalogue: release "1.37": `},
		{"release candidate", "version: 1.37.1", "version: 1.37.1-rc.1", "runtime catalogue: release 1.37.1-rc.1: want a version of three numbers"},
		{"build metadata", "version: 1.37.1", "version: 1.37.1+ours", "runtime catalogue: release 1.37.1+ours: want a version of three numbers"},
		{"no components", ", components: {etcd: 3.6.0}", "", "runtime catalogue: release 1.36.13: components are missing"},
		{"component without a version", "{etcd: 3.6.0}", `{etcd: ""}`, `runtime catalogue: release 1.36.13: component etcd "": `},
		{"component's tag", "{etcd: 3.6.0}", "{etcd: v3.6.0}", `runtime catalogue: release 1.36.13: component etcd "v3.6.0": `},
		{"twice", "version: 1.37.1", "version: 1.37.2", "release 1.37.2 stands after 1.37.2: list each once, newest first"},
		{"oldest first", "version: 1.37.1", "version: 1.37.10", "release 1.37.10 stands after 1.37.2: list each once, newest first"},
		{"upgradable from nothing", "[1.35.0]", "[1.35.x]", `runtime catalogue: release 1.36.13: upgradableFrom "1.35.x": `},
		{"upgradable from the future", "[1.35.0]", "[1.37.0]", "runtime catalogue: release 1.36.13: upgradableFrom 1.37.0 is newer than the release"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if strings.Count(catalogue, test.old) != 1 {
				t.Fatalf("%q does not stand in the catalogue once", test.old)
			}
			parsed, err := runtime.ParseCatalogue([]byte(strings.Replace(catalogue, test.old, test.changed, 1)))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
			if parsed != nil {
				t.Error("a catalogue beside an error")
			}
		})
	}
}

func TestFindAndMatch(t *testing.T) {
	c := parse(t, catalogue)
	for _, test := range []struct {
		pattern string
		want    []string // empty for an error, which names what there is
	}{
		{"1.37.2", []string{"1.37.2"}},
		{"v1.36.13", []string{"1.36.13"}},
		{"1.37.x", []string{"1.37.2", "1.37.1"}},
		{"v1.36.x", []string{"1.36.13"}},
		{"1.36.1", nil},
		{"1.3.x", nil},
		{"1.38.x", nil},
		{".x", nil},
		{"x", nil},
		{"", nil},
	} {
		t.Run(test.pattern, func(t *testing.T) {
			releases, err := c.Match(test.pattern)
			var got []string
			for _, release := range releases {
				got = append(got, release.Version)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("it matches %q, want %q", got, test.want)
			}
			if (err == nil) != (len(test.want) > 0) {
				t.Errorf("error %v", err)
			}
			if err != nil && !strings.Contains(err.Error(), "1.37.2, 1.37.1, 1.36.13") {
				t.Errorf("error %q does not say what there is", err)
			}
			found, err := c.Find(test.pattern)
			if wild := strings.HasSuffix(test.pattern, "x"); (err == nil) != (len(test.want) > 0 && !wild) {
				t.Errorf("Find returns %q, %v", found.Version, err)
			}
		})
	}
}

func TestMinor(t *testing.T) {
	for version, want := range map[string]string{"1.37.2": "1.37", "1.100.0": "1.100", "1": "1", "": ""} {
		if got := (runtime.Release{Version: version}).Minor(); got != want {
			t.Errorf("the minor of %q is %q, want %q", version, got, want)
		}
	}
}

func TestReferences(t *testing.T) {
	for got, want := range map[string]string{
		runtime.Reference("1.37.2"):         "gravity.local/runtime:1.37.2",
		runtime.MasterReference("1.37.2"):   "gravity.local/master:1.37.2",
		runtime.FlannelReference("0.28.10"): "gravity.local/flannel:v0.28.10",
	} {
		if got != want {
			t.Errorf("reference %s, want %s", got, want)
		}
	}
}

func FuzzParseCatalogue(f *testing.F) {
	f.Add([]byte(catalogue))
	f.Add([]byte(`{"sourceDate":"2026-11-01T00:00:00Z","releases":[{"version":"1.0.0","components":{"a":"0.0.0"}}]}`))
	f.Add([]byte("releases: [&a {components: *a}]"))
	f.Fuzz(func(t *testing.T, content []byte) {
		c, err := runtime.ParseCatalogue(content)
		if err != nil {
			return
		}
		for _, version := range c.Versions() {
			release, err := c.Find(version)
			if err != nil || release.Version != version {
				t.Errorf("%s is listed and found as %q (%v)", version, release.Version, err)
			}
			if matches, err := c.Match(release.Minor() + ".x"); err != nil || len(matches) == 0 {
				t.Errorf("%s is listed and its minor has %v (%v)", version, matches, err)
			}
		}
	})
}

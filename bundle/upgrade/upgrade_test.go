package upgrade_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/upgrade"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// original has the releases of the original's own test of upgrade paths.
var original = upgrade.Catalogue{
	{Version: "3.0.5", UpgradableFrom: []string{"2.0.0", "2.1.0", "3.0.0"}},
	{Version: "2.1.0", LTS: true, UpgradableFrom: []string{"1.1.0"}},
	{Version: "2.0.15", LTS: true, UpgradableFrom: []string{"1.0.0"}},
}

// guide has the releases that the guide's chapter speaks of.
var guide = upgrade.Catalogue{
	{Version: "5.5.21", UpgradableFrom: []string{"5.2.0", "5.5.0"}},
	{Version: "5.5.20", UpgradableFrom: []string{"5.2.0", "5.5.0"}},
	{Version: "5.4.0", UpgradableFrom: []string{"5.2.0"}},
	{Version: "5.2.15", LTS: true, UpgradableFrom: []string{"5.0.0", "5.2.0"}},
	{Version: "5.2.14", LTS: true, UpgradableFrom: []string{"5.0.0", "5.2.0"}},
}

func TestSteps(t *testing.T) {
	for _, test := range []struct {
		name      string
		catalogue upgrade.Catalogue
		from, to  string
		embedded  []string
		want      []string
		err       string
	}{
		{"direct", original, "2.0.5", "3.0.5", []string{"2.0.15"}, []string{"3.0.5"}, ""},
		{"same minor", original, "3.0.1", "3.0.5", []string{"2.0.15"}, []string{"3.0.5"}, ""},
		{"via", original, "1.0.0", "3.0.5", []string{"2.0.15"}, []string{"2.0.15", "3.0.5"}, ""},
		{"other via", original, "1.1.0", "3.0.5", []string{"2.0.15"}, nil, "following intermediate runtimes:\n    2.1.0 or greater"},
		{"downgrade", original, "3.0.7", "3.0.5", []string{"2.0.15"}, nil, "Downgrade between Gravity versions 3.0.7 and 3.0.5 is not allowed."},
		{"unchanged", original, "3.0.5", "3.0.5", []string{"2.0.15"}, nil, ""},
		{"unsupported", original, "0.0.1", "3.0.5", []string{"2.0.15"}, nil, "Upgrade between Gravity versions 0.0.1 and 3.0.5 is unsupported."},
		{"no version", original, "v1", "3.0.5", nil, nil, `invalid semver: "v1"`},
		{"guide: direct", guide, "5.0.35", "5.2.14", nil, []string{"5.2.14"}, ""},
		{"guide: not", guide, "5.0.35", "5.5.20", nil, nil, "5.2.15 or greater"},
		{"guide: via", guide, "5.0.35", "5.5.21", []string{"5.2.15"}, []string{"5.2.15", "5.5.21"}, ""},
		{"guide: not needed", guide, "5.2.3", "5.5.21", []string{"5.2.15"}, []string{"5.5.21"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			steps, err := test.catalogue.Steps(test.from, test.to, test.embedded)
			if !slices.Equal(steps, test.want) {
				t.Errorf("steps %v, want %v", steps, test.want)
			}
			check(t, err, test.err)
		})
	}
}

func TestEmbed(t *testing.T) {
	releases, err := runtime.Releases()
	if err != nil {
		t.Fatal(err)
	}
	ours := upgrade.Catalogue(releases.Releases)
	versions := releases.Versions()
	newest, middle, oldest := versions[0], versions[1], versions[2]
	for _, test := range []struct {
		name      string
		catalogue upgrade.Catalogue
		to        string
		via       []string
		want      []string
		err       string
	}{
		{"none", ours, newest, nil, nil, ""},
		{"one", ours, newest, []string{middle}, []string{middle}, ""},
		{"two, any order", ours, newest, []string{middle, oldest}, []string{oldest, middle}, ""},
		{"a step is missing", ours, newest, []string{oldest}, nil, middle + " or greater"},
		{"itself", ours, newest, []string{newest}, nil, "is the runtime of the bundle itself"},
		{"newer", ours, middle, []string{newest}, nil, "is newer than " + middle},
		{"twice", ours, newest, []string{middle, middle}, nil, "is named twice"},
		{"prefix", ours, newest, []string{"v" + middle}, nil, "is not a version of three numbers"},
		{"unknown", ours, newest, []string{"1.2.3"}, nil, "there is no release 1.2.3; LTS releases are " + newest},
		{"not LTS", guide, "5.5.21", []string{"5.4.0"}, nil, "release 5.4.0 is not LTS; LTS releases are 5.2.15, 5.2.14"},
		{"guide", guide, "5.5.21", []string{"5.2.15"}, []string{"5.2.15"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			embedded, err := test.catalogue.Embed(test.to, test.via)
			if !slices.Equal(embedded, test.want) {
				t.Errorf("embedded %v, want %v", embedded, test.want)
			}
			check(t, err, test.err)
		})
	}
}

// TestMissing wants the error to name all that a bundle should have.
func TestMissing(t *testing.T) {
	_, err := guide.Embed("5.5.21", []string{"5.2.14", "5.2.15"})
	if err != nil {
		t.Error(err)
	}
	releases, err := runtime.Releases()
	if err != nil {
		t.Fatal(err)
	}
	versions := releases.Versions()
	_, err = upgrade.Catalogue(releases.Releases).Embed(versions[0], versions[2:3])
	missing, ok := errors.AsType[*upgrade.MissingError](err)
	if !ok || !slices.Equal(missing.Via, []string{versions[2], versions[1]}) || !slices.Equal(missing.Missing, versions[1:2]) {
		t.Errorf("%+v", err)
	}
}

func check(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Error(err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("error %v, want %q", err, want)
	}
}

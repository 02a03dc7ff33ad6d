// Package runtime is the catalogue of Kubernetes runtimes: which there are,
// what they are made of, and from which versions they can be upgraded. The
// programs that build them are in package recipe; what they are built from is
// in the folders beside this file.
package runtime

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
	"sigs.k8s.io/yaml"
)

// Catalogue is the contents of releases.yaml.
type Catalogue struct {
	// SourceDate (RFC 3339) is the time of every file in every layer.
	SourceDate time.Time `json:"sourceDate"`
	// Components are the versions that the releases share.
	Components map[string]string `json:"components"`
	// Releases are sorted by version, newest first.
	Releases []Release `json:"releases"`
}

// Release is one runtime. It travels inside the runtime's artifact as well, so
// that a site can tell what a bundle upgrades from.
type Release struct {
	// Version is the Kubernetes version, such as "1.37.2".
	Version string `json:"version"`
	// LTS marks a release that may be embedded in bundles as an intermediate
	// step of an upgrade.
	LTS bool `json:"lts"`
	// UpgradableFrom lists, for each minor from which one step leads here, the
	// oldest patch version that is good enough.
	UpgradableFrom []string `json:"upgradableFrom"`
	// Components maps a component (etcd, containerd, …) to its version.
	Components map[string]string `json:"components"`
}

//go:embed releases.yaml
var releases []byte

// Releases returns the catalogue that this program was built with.
func Releases() (*Catalogue, error) {
	return ParseCatalogue(releases)
}

// ParseCatalogue reads and checks a catalogue: unknown fields, versions that
// are not semantic ones or come before a release, duplicates and a wrong order
// are errors that name the release.
func ParseCatalogue(content []byte) (*Catalogue, error) {
	var catalogue Catalogue
	if err := yaml.UnmarshalStrict(content, &catalogue); err != nil {
		return nil, fmt.Errorf("runtime catalogue: %w", err)
	}
	if catalogue.SourceDate.IsZero() {
		return nil, fmt.Errorf("runtime catalogue: sourceDate is missing")
	}
	if len(catalogue.Releases) == 0 {
		return nil, fmt.Errorf("runtime catalogue: no releases")
	}
	var newer *semver.Version
	for _, release := range catalogue.Releases {
		version, err := release.check()
		if err != nil {
			return nil, err
		}
		if newer != nil && !version.LessThan(newer) {
			return nil, fmt.Errorf("runtime catalogue: release %s stands after %s: list each once, newest first", version, newer)
		}
		newer = version
	}
	return &catalogue, nil
}

func (r Release) check() (*semver.Version, error) {
	version, err := semver.StrictNewVersion(r.Version)
	if err != nil {
		return nil, fmt.Errorf("runtime catalogue: release %q: %w", r.Version, err)
	}
	if version.Prerelease() != "" || version.Metadata() != "" {
		return nil, fmt.Errorf("runtime catalogue: release %s: want a version of three numbers", r.Version)
	}
	if len(r.Components) == 0 {
		return nil, fmt.Errorf("runtime catalogue: release %s: components are missing", r.Version)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Components)) {
		if _, err := semver.StrictNewVersion(r.Components[name]); err != nil {
			return nil, fmt.Errorf("runtime catalogue: release %s: component %s %q: %w", r.Version, name, r.Components[name], err)
		}
	}
	for _, from := range r.UpgradableFrom {
		oldest, err := semver.StrictNewVersion(from)
		if err != nil {
			return nil, fmt.Errorf("runtime catalogue: release %s: upgradableFrom %q: %w", r.Version, from, err)
		}
		if oldest.GreaterThan(version) {
			return nil, fmt.Errorf("runtime catalogue: release %s: upgradableFrom %s is newer than the release", r.Version, from)
		}
	}
	return version, nil
}

// Versions lists the versions of all releases, newest first.
func (c *Catalogue) Versions() []string {
	versions := make([]string, 0, len(c.Releases))
	for _, release := range c.Releases {
		versions = append(versions, release.Version)
	}
	return versions
}

// Find returns the release of a version; the error lists what there is.
func (c *Catalogue) Find(version string) (Release, error) {
	i := slices.IndexFunc(c.Releases, func(release Release) bool {
		return release.Version == strings.TrimPrefix(version, "v")
	})
	if i < 0 {
		return Release{}, fmt.Errorf("runtime %q is not in the catalogue, which has %s", version, strings.Join(c.Versions(), ", "))
	}
	return c.Releases[i], nil
}

// Match returns the releases that are meant by a version or by "1.37.x", which
// stands for all of a minor; the error lists what there is.
func (c *Catalogue) Match(pattern string) ([]Release, error) {
	minor, wild := strings.CutSuffix(strings.TrimPrefix(pattern, "v"), ".x")
	if !wild {
		release, err := c.Find(pattern)
		if err != nil {
			return nil, err
		}
		return []Release{release}, nil
	}
	var matches []Release
	for _, release := range c.Releases {
		if release.Minor() == minor {
			matches = append(matches, release)
		}
	}
	if len(matches) == 0 {
		return nil, fmt.Errorf("no runtime %s is in the catalogue, which has %s", pattern, strings.Join(c.Versions(), ", "))
	}
	return matches, nil
}

// Minor is the minor version line, such as "1.37".
func (r Release) Minor() string {
	if i := strings.LastIndex(r.Version, "."); i > 0 {
		return r.Version[:i]
	}
	return r.Version
}

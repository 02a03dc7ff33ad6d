// Package upgrade says which runtimes an upgrade steps through, from the release
// that a cluster has to the one of a bundle (S04, S05). The same answer is given
// when a bundle is built, when it is uploaded, and when the upgrade is planned.
package upgrade

import (
	"fmt"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// MissingError tells that an upgrade would be possible if the bundle had other
// runtimes embedded.
type MissingError struct {
	// From and To are the versions of the cluster and of the bundle.
	From, To string
	// Via are the embedded runtimes that the bundle should have, as an upgrade
	// takes them; Missing are those of them that it has not.
	Via, Missing []string
}

// Error says what as the original did.
func (e *MissingError) Error() string {
	return fmt.Sprintf("Upgrade between Gravity versions %s and %s is only supported if cluster image includes the following intermediate runtimes:\n"+
		"    %s or greater\nThis cluster image does not contain required intermediate runtimes.", e.From, e.To, strings.Join(e.Missing, ", "))
}

// Catalogue is what is known about releases; *runtime.Catalogue is not one itself,
// since a site knows also what the bundle says.
type Catalogue []runtime.Release

// Steps returns the runtimes that an upgrade goes through, the target last, if a
// bundle of the target has the given ones embedded; none if both versions are the
// same. Embedded ones that are not needed are left out.
//
// Errors are a *MissingError if other embedded runtimes would help, and otherwise
// say that the upgrade is none, or is not supported.
func (c Catalogue) Steps(from, to string, embedded []string) ([]string, error) {
	start, err := semver.StrictNewVersion(from)
	if err != nil {
		return nil, fmt.Errorf("invalid semver: %q", from)
	}
	end, err := semver.StrictNewVersion(to)
	if err != nil {
		return nil, fmt.Errorf("invalid semver: %q", to)
	}
	switch start.Compare(end) {
	case 0:
		return nil, nil
	case 1:
		return nil, fmt.Errorf("Downgrade between Gravity versions %s and %s is not allowed.", from, to) //nolint:staticcheck // the original's words
	}
	if steps := c.search(start, to, embedded); steps != nil {
		return steps, nil
	}
	var possible []string
	for _, release := range c {
		if release.LTS {
			possible = append(possible, release.Version)
		}
	}
	steps := c.search(start, to, append(possible, embedded...))
	if steps == nil {
		return nil, fmt.Errorf("Upgrade between Gravity versions %s and %s is unsupported.", from, to) //nolint:staticcheck // the original's words
	}
	via := steps[:len(steps)-1]
	missing := slices.DeleteFunc(slices.Clone(via), func(version string) bool { return slices.Contains(embedded, version) })
	return nil, &MissingError{From: from, To: to, Via: via, Missing: missing}
}

// search finds the fewest steps from a version to a release, each of one release
// that leads to the next; nil if there is no way.
func (c Catalogue) search(from *semver.Version, to string, through []string) []string {
	type way struct {
		at    *semver.Version
		steps []string
	}
	// Nearer releases to the target come first, so among equal ways the newest wins.
	candidates := append([]string{to}, slices.Clone(through)...)
	slices.SortFunc(candidates[1:], func(a, b string) int { return compare(b, a) })
	seen := map[string]bool{}
	ways := []way{{at: from}}
	for len(ways) > 0 {
		current := ways[0]
		ways = ways[1:]
		for _, next := range candidates {
			version, err := semver.StrictNewVersion(next)
			if err != nil || seen[next] || !version.GreaterThan(current.at) || !c.leads(current.at, next) {
				continue
			}
			steps := append(slices.Clone(current.steps), next)
			if next == to {
				return steps
			}
			seen[next] = true
			ways = append(ways, way{version, steps})
		}
	}
	return nil
}

// leads tells whether one step leads from a version to a release: from the same
// minor of one that it lists, with the same patch or a later one.
func (c Catalogue) leads(from *semver.Version, to string) bool {
	i := slices.IndexFunc(c, func(release runtime.Release) bool { return release.Version == to })
	if i < 0 {
		return false
	}
	return slices.ContainsFunc(c[i].UpgradableFrom, func(text string) bool {
		oldest, err := semver.StrictNewVersion(text)
		return err == nil && oldest.Major() == from.Major() && oldest.Minor() == from.Minor() && oldest.Patch() <= from.Patch()
	})
}

func compare(a, b string) int {
	left, errLeft := semver.StrictNewVersion(a)
	right, errRight := semver.StrictNewVersion(b)
	if errLeft != nil || errRight != nil {
		return strings.Compare(a, b)
	}
	return left.Compare(right)
}

// Embed checks the runtimes that a bundle shall have embedded, and returns them as
// an upgrade takes them. Each must be an LTS release of the catalogue before the
// target, and from the oldest one every step up to the target must be there, or the
// bundle could upgrade nothing from there: that is a *MissingError.
func (c Catalogue) Embed(to string, via []string) ([]string, error) {
	var embedded []string
	for _, version := range via {
		if _, err := semver.StrictNewVersion(version); err != nil {
			return nil, fmt.Errorf("%q is not a version of three numbers, such as %s", version, to)
		}
		i := slices.IndexFunc(c, func(release runtime.Release) bool { return release.Version == version })
		switch {
		case version == to:
			return nil, fmt.Errorf("%s is the runtime of the bundle itself", version)
		case i < 0:
			return nil, fmt.Errorf("there is no release %s; LTS releases are %s", version, strings.Join(c.lts(), ", "))
		case !c[i].LTS:
			return nil, fmt.Errorf("release %s is not LTS; LTS releases are %s", version, strings.Join(c.lts(), ", "))
		case compare(version, to) > 0:
			return nil, fmt.Errorf("release %s is newer than %s, the runtime of the bundle", version, to)
		case slices.Contains(embedded, version):
			return nil, fmt.Errorf("release %s is named twice", version)
		}
		embedded = append(embedded, version)
	}
	slices.SortFunc(embedded, compare)
	for _, version := range embedded {
		if _, err := c.Steps(version, to, embedded); err != nil {
			return nil, c.complete(err, embedded)
		}
	}
	return embedded, nil
}

// complete makes an error name all runtimes that would do.
func (c Catalogue) complete(err error, embedded []string) error {
	missing, ok := err.(*MissingError) //nolint:errorlint // Steps returns it as it is
	if !ok {
		return err
	}
	via := append(slices.Clone(embedded), missing.Missing...)
	slices.SortFunc(via, compare)
	missing.Via = slices.Compact(via)
	return missing
}

func (c Catalogue) lts() (versions []string) {
	for _, release := range c {
		if release.LTS {
			versions = append(versions, release.Version)
		}
	}
	return versions
}

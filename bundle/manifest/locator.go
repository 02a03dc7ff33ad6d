package manifest

import (
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// BaseImage is the runtime of a bundle: gravity:VERSION, where the version is
// that of Kubernetes, or gravity, where the builder chooses.
type BaseImage struct {
	// Name is gravity.
	Name string
	// Version is the version of Kubernetes, empty if the builder chooses.
	Version Version
}

// Pattern is the syntax of a base image.
func (BaseImage) Pattern() string { return `^gravity(:.+)?$` }

// Example is a valid base image.
func (BaseImage) Example() string { return "gravity:1.37.2" }

// UnmarshalText takes gravity and gravity:VERSION.
func (b *BaseImage) UnmarshalText(text []byte) error {
	name, version, versioned := strings.Cut(string(text), ":")
	if name != "gravity" {
		return &badValue{
			"unsupported base image " + quote(text) + `, only "gravity" is supported as a base image`,
			"write gravity:VERSION with a version of Kubernetes, such as gravity:1.37.2",
		}
	}
	if _, err := semver.StrictNewVersion(version); versioned && err != nil {
		return &badValue{
			quote([]byte(version)) + " is not a version of Kubernetes",
			"write three numbers such as gravity:1.37.2, or gravity to leave the choice to the builder",
		}
	}
	*b = BaseImage{Name: name, Version: Version(version)}
	return nil
}

// String returns the base image as it is written.
func (b BaseImage) String() string {
	if b.Version == "" {
		return b.Name
	}
	return b.Name + ":" + string(b.Version)
}

// MarshalText returns the base image as it is written.
func (b BaseImage) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// Locator names a package: REPOSITORY/NAME:VERSION.
type Locator struct {
	// Repository is a domain name, such as gravitational.io.
	Repository string
	// Name is the package's name: letters, digits, dashes, dots, underscores.
	Name string
	// Version is a semantic version.
	Version Version
}

var (
	locatorPattern = regexp.MustCompile(Locator{}.Pattern())
	domainPattern  = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`)
)

// Pattern is the syntax of a locator.
func (Locator) Pattern() string { return `^([^/:]+)/([a-zA-Z0-9_.-]+):([^/:]+)$` }

// Example is a valid locator.
func (Locator) Example() string { return "gravitational.io/my-app:1.0.0" }

// UnmarshalText takes a valid locator.
func (l *Locator) UnmarshalText(text []byte) error {
	const hint = "write REPOSITORY/NAME:VERSION, such as gravitational.io/my-app:1.0.0"
	parts := locatorPattern.FindSubmatch(text)
	if parts == nil {
		return &badValue{quote(text) + " does not name a package", hint}
	}
	if len(parts[1]) > 253 || !domainPattern.Match(parts[1]) {
		return &badValue{"the repository of " + quote(text) + " is not a domain name", hint}
	}
	if _, err := semver.StrictNewVersion(string(parts[3])); err != nil {
		return &badValue{"the version of " + quote(text) + " is not a semantic version", hint}
	}
	*l = Locator{Repository: string(parts[1]), Name: string(parts[2]), Version: Version(parts[3])}
	return nil
}

// String returns the locator as it is written.
func (l Locator) String() string { return l.Repository + "/" + l.Name + ":" + string(l.Version) }

// MarshalText returns the locator as it is written.
func (l Locator) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

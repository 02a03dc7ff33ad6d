package manifest

import (
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
)

// badValue is what a text type says of a value that it does not take: what is
// wrong, and what to write instead.
type badValue struct{ message, hint string }

func (b *badValue) Error() string { return b.message + "; " + b.hint }

// Name is the name of an application: letters, digits, dashes and underscores.
type Name string

var namePattern = regexp.MustCompile(Name("").Pattern())

// Pattern is the syntax of a name.
func (Name) Pattern() string { return `^[a-zA-Z0-9_-]+$` }

// Example is a valid name.
func (Name) Example() string { return "my-app" }

// UnmarshalText takes a valid name.
func (n *Name) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return &badValue{"app name can't be empty", `write a name such as my-app`}
	}
	if !namePattern.Match(text) {
		return &badValue{
			quote(text) + " is not an app name, which may contain only alphanumeric characters, dashes and underscores",
			"write a name such as my-app",
		}
	}
	*n = Name(text)
	return nil
}

// Version is a semantic version without a leading v, such as 1.0.0-rc.1.
type Version string

// Pattern is the syntax of a semantic version.
func (Version) Pattern() string {
	return `^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`
}

// Example is a valid version.
func (Version) Example() string { return "1.0.0" }

// UnmarshalText takes a valid version.
func (v *Version) UnmarshalText(text []byte) error {
	if _, err := semver.StrictNewVersion(string(text)); err != nil {
		hint := "write three numbers such as 1.0.0"
		if lenient, err := semver.NewVersion(string(text)); err == nil {
			hint = "write " + lenient.String()
		}
		return &badValue{"app version must be in semver format, got " + quote(text), hint}
	}
	*v = Version(text)
	return nil
}

// Timestamp is a time as RFC 3339, such as 2026-01-02T15:04:05Z.
type Timestamp string

// Pattern is the syntax of a time.
func (Timestamp) Pattern() string { return `^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}` }

// Example is a valid time.
func (Timestamp) Example() string { return "2026-01-02T15:04:05Z" }

// UnmarshalText takes a valid time.
func (t *Timestamp) UnmarshalText(text []byte) error {
	if _, err := time.Parse(time.RFC3339, string(text)); err != nil {
		return &badValue{quote(text) + " is not a time (RFC 3339)", "write it as 2026-01-02T15:04:05Z"}
	}
	*t = Timestamp(text)
	return nil
}

// Path is an absolute path on a node.
type Path string

// Pattern is the syntax of an absolute path.
func (Path) Pattern() string { return `^/` }

// Example is a valid path.
func (Path) Example() string { return "/var/lib/data" }

// UnmarshalText takes an absolute path.
func (p *Path) UnmarshalText(text []byte) error {
	if !path.IsAbs(string(text)) {
		return &badValue{quote(text) + " is not an absolute path", "write it from the root, such as /var/lib/data"}
	}
	*p = Path(text)
	return nil
}

// Permissions are what the devices cgroup allows: some of r, w and m.
type Permissions string

var permissionsPattern = regexp.MustCompile(Permissions("").Pattern())

// Pattern is the syntax of permissions.
func (Permissions) Pattern() string { return `^[rwm]{1,3}$` }

// Example are valid permissions.
func (Permissions) Example() string { return "rwm" }

// UnmarshalText takes valid permissions.
func (p *Permissions) UnmarshalText(text []byte) error {
	if !permissionsPattern.Match(text) {
		return &badValue{
			quote(text) + " are not a device's permissions",
			"write one to three of the letters r (read), w (write) and m (make), such as rw",
		}
	}
	*p = Permissions(text)
	return nil
}

// The schemes of references.
const (
	schemeFile  = "file://"
	schemeHTTP  = "http://"
	schemeHTTPS = "https://"
)

// Source is a text, or a reference to one: file://PATH, relative to the
// manifest's folder, or http(s)://ADDRESS. Vendor replaces references.
type Source string

// IsReference tells whether the source leads to a file or to an address.
func (s Source) IsReference() bool {
	if strings.ContainsAny(string(s), "\n\r") {
		return false
	}
	for _, scheme := range []string{schemeFile, schemeHTTP, schemeHTTPS} {
		if strings.HasPrefix(string(s), scheme) {
			return true
		}
	}
	return false
}

// Secret is a text that is never printed.
type Secret string

const redacted = "(redacted)"

// String returns a placeholder.
func (Secret) String() string { return redacted }

// GoString returns a placeholder.
func (Secret) GoString() string { return redacted }

// MarshalText returns a placeholder.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

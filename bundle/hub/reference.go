package hub

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// SplitHost splits the host of a registry off a name, as docker does: the first
// part is a host if it has a dot or a colon, or is localhost. Otherwise host is
// empty.
func SplitHost(text string) (host, rest string) {
	first, rest, more := strings.Cut(text, "/")
	switch {
	case first == "localhost":
	case !more && strings.Contains(first, ":") && !isPort(first[strings.IndexByte(first, ':')+1:]):
		return "", text // NAME:VERSION
	case !strings.ContainsAny(first, ".:"):
		return "", text
	}
	return first, rest
}

func isPort(text string) bool {
	return text != "" && len(text) <= 5 && strings.Trim(text, "0123456789") == ""
}

// Tag is the tag of a version: build metadata follows an underscore, since tags
// have no plus.
func Tag(version string) string { return strings.ReplaceAll(version, "+", "_") }

// Version is the version of a tag.
func Version(tag string) string { return strings.ReplaceAll(tag, "_", "+") }

// Target is where a bundle of a name and version lies below a prefix: the host of
// a registry, and the beginning of a path.
func (c *Connection) Target(prefix, application, version string) (name.Tag, error) {
	host, path := SplitHost(strings.TrimSuffix(prefix, "/"))
	if host == "" {
		return name.Tag{}, cli.Usagef("hub %q: write HOST or HOST/PATH", prefix)
	}
	if path != "" {
		path += "/"
	}
	tag, err := name.NewTag(host+"/"+path+strings.ToLower(application)+":"+Tag(version), c.nameOptions(host)...)
	if err != nil {
		return name.Tag{}, cli.WithHint(fmt.Errorf("name of the bundle in the hub: %w", errors.Unwrap(err)),
			"registries take lower-case letters, digits, dots, dashes and underscores; 'tele build --name' names a bundle")
	}
	return tag, nil
}

// parse reads the full name of a bundle, with tag or digest.
func (c *Connection) parse(reference string) (name.Reference, error) {
	host, rest := SplitHost(reference)
	if host == "" || rest == "" || !strings.ContainsAny(rest, ":@") {
		return nil, cli.Usagef("bundle %q: write HOST/NAME:VERSION", reference)
	}
	parsed, err := name.ParseReference(host+"/"+strings.ReplaceAll(rest, "+", "_"), c.nameOptions(host)...)
	if err != nil {
		return nil, cli.Usagef("bundle %q: %w", reference, err)
	}
	return parsed, nil
}

func (c *Connection) nameOptions(host string) []name.Option {
	if c.isInsecure(host) {
		return []name.Option{name.Insecure}
	}
	return nil
}

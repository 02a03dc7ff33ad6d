package store

import (
	"fmt"
	"regexp"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Reference is where the store keeps what an image reference names.
type Reference struct {
	// Repository is "<original host>/<path>", with an underscore for the colon
	// before a host's port.
	Repository string
	// Tag and Digest are what follows; one of them may be empty, not both.
	Tag    string
	Digest v1.Hash
}

var (
	repositoryPattern = regexp.MustCompile(`^[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$`)
	tagPattern        = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
)

// ParseReference reads a complete reference, with host and with tag or digest,
// as bundles have them.
func ParseReference(text string) (Reference, error) {
	var r Reference
	name, digest, hasDigest := strings.Cut(text, "@")
	if hasDigest {
		var err error
		if r.Digest, err = v1.NewHash(digest); err != nil || r.Digest.Algorithm != "sha256" {
			return Reference{}, fmt.Errorf("reference %q: %q is not a SHA-256 digest", text, digest)
		}
	}
	if i := strings.LastIndex(name, ":"); i > strings.LastIndex(name, "/") {
		name, r.Tag = name[:i], name[i+1:]
		if !tagPattern.MatchString(r.Tag) {
			return Reference{}, fmt.Errorf("reference %q: %q is not a tag", text, r.Tag)
		}
	}
	host, path, ok := strings.Cut(name, "/")
	if !ok || path == "" {
		return Reference{}, fmt.Errorf("reference %q: no registry host", text)
	}
	r.Repository = HostFolder(host) + "/" + path
	if !repositoryPattern.MatchString(r.Repository) || len(r.Repository) > 255 {
		return Reference{}, fmt.Errorf("reference %q: %q is not a repository", text, name)
	}
	if r.Tag == "" && !hasDigest {
		return Reference{}, fmt.Errorf("reference %q: neither tag nor digest", text)
	}
	return r, nil
}

// HostFolder is the first part of the repositories of an original host: the
// host, with an underscore for the colon before a port, which repositories
// cannot have.
func HostFolder(host string) string { return strings.ToLower(strings.ReplaceAll(host, ":", "_")) }

func (r Reference) String() string {
	text := r.Repository
	if r.Tag != "" {
		text += ":" + r.Tag
	}
	if r.Digest.Hex != "" {
		text += "@" + r.Digest.String()
	}
	return text
}

package discovery

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// dockerHub is where references without a registry lead. The library calls it
// by the host that serves it, which nobody writes and containerd does not ask
// for.
const (
	dockerHub     = "docker.io"
	dockerHubHost = "index.docker.io"
)

var (
	// A component of a repository and a tag, as the specification of OCI
	// distribution has them. The library takes more, and kubelet would refuse it
	// at the site.
	component = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$`)
	tag       = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)
)

// ParseReference reads a reference to an image as a container runtime does: the
// registry is docker.io if none is named, one-word repositories are below
// library/, the tag is latest if there is neither tag nor digest. Of a reference
// with both, the digest counts.
func ParseReference(text string) (name.Reference, error) {
	switch {
	case text == "":
		return nil, errors.New("the reference is empty")
	case strings.TrimSpace(text) != text:
		return nil, fmt.Errorf("%q has spaces around it", text)
	}
	ref, err := name.ParseReference(text)
	if err != nil {
		return nil, fmt.Errorf("%q is not a reference to an image", text)
	}
	for part := range strings.SplitSeq(ref.Context().RepositoryStr(), "/") {
		if !component.MatchString(part) {
			return nil, fmt.Errorf("%q is not a reference to an image: %q cannot be part of a repository's name", text, part)
		}
	}
	if tagged, ok := ref.(name.Tag); ok && !tag.MatchString(tagged.TagStr()) {
		return nil, fmt.Errorf("%q is not a reference to an image: %q cannot be a tag", text, tagged.TagStr())
	}
	return ref, nil
}

// Name is the complete reference in the form that people, Kubernetes and
// containerd write: docker.io/library/nginx:1.29.
func Name(ref name.Reference) string {
	separator := ":"
	if _, ok := ref.(name.Digest); ok {
		separator = "@"
	}
	return repositoryName(ref) + separator + ref.Identifier()
}

// repositoryName is the complete reference without tag and digest.
func repositoryName(ref name.Reference) string {
	return registryOf(ref) + "/" + ref.Context().RepositoryStr()
}

func registryOf(ref name.Reference) string {
	if host := ref.Context().RegistryStr(); host != dockerHubHost {
		return host
	}
	return dockerHub
}

// clusterRegistries are the names that Gravity's releases so far gave to the
// registry inside the cluster. Charts written for them name their images there.
var clusterRegistries = []string{"leader.telekube.local:5000", "registry.local:5000"}

package bundle

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// validName is what the original takes as the name of a package.
var validName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,127}$`)

// checkName checks the name and version of an application.
func checkName(name, version string) error {
	if !validName.MatchString(name) {
		return fmt.Errorf("name %.200q is not made of letters, digits, dashes, dots and underscores", name)
	}
	if _, err := semver.StrictNewVersion(version); err != nil || len(version) > 128 {
		return fmt.Errorf("version %.200q is not a semantic version", version)
	}
	return nil
}

// checkDescriptor checks what a descriptor says about a blob.
func checkDescriptor(descriptor v1.Descriptor) error {
	if descriptor.Size < 0 {
		return fmt.Errorf("size %d", descriptor.Size)
	}
	if descriptor.Digest.Algorithm != "sha256" {
		return fmt.Errorf("digest %q is not of SHA-256", descriptor.Digest)
	}
	_, err := parseHash(descriptor.Digest.String())
	return err
}

// checkReference checks the name of an image as far as it must be printed and
// found again.
func checkReference(reference string) error {
	if reference == "" || len(reference) > 1024 {
		return fmt.Errorf("image name of %d bytes", len(reference))
	}
	for _, r := range reference {
		if r <= ' ' || r > '~' {
			return fmt.Errorf("image name %q has a character that no reference has", reference)
		}
	}
	return nil
}

// parseHash reads "sha256:" and 64 digits in lower case.
func parseHash(text string) (v1.Hash, error) {
	hash, err := v1.NewHash(text)
	if err != nil {
		return v1.Hash{}, err
	}
	if hash.Algorithm != "sha256" || strings.ToLower(hash.Hex) != hash.Hex {
		return v1.Hash{}, fmt.Errorf("digest %q is not of SHA-256", text)
	}
	return hash, nil
}

func joinHashes(hashes []v1.Hash) string {
	texts := make([]string, 0, len(hashes))
	for _, hash := range hashes {
		texts = append(texts, hash.String())
	}
	return strings.Join(texts, ",")
}

// splitHashes reads what joinHashes wrote; nothing becomes nil.
func splitHashes(text string) ([]v1.Hash, error) {
	if text == "" {
		return nil, nil
	}
	var hashes []v1.Hash
	seen := make(map[v1.Hash]bool)
	for part := range strings.SplitSeq(text, ",") {
		hash, err := parseHash(part)
		if err != nil {
			return nil, err
		}
		if seen[hash] {
			return nil, errors.New("a digest is listed twice")
		}
		seen[hash] = true
		hashes = append(hashes, hash)
	}
	return hashes, nil
}

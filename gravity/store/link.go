package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// link makes what was imported visible to the registry. All blobs are on disk
// before; links are on disk when it returns, tags last.
func (s *Store) link(p *plan) error {
	if err := s.sync(); err != nil {
		return err
	}
	for _, image := range p.images {
		for _, item := range image.items {
			if err := s.linkItem(image.reference.Repository, item); err != nil {
				return fmt.Errorf("image %s: %w", image.reference, err)
			}
		}
	}
	if err := s.sync(); err != nil {
		return err
	}
	for _, image := range p.images {
		if err := s.tag(image); err != nil {
			return fmt.Errorf("image %s: %w", image.reference, err)
		}
	}
	return s.sync()
}

func (s *Store) linkItem(repository string, item item) error {
	digest := item.descriptor.Digest
	if item.manifest {
		return writeLink(s.repository(repository, "_manifests", "revisions", digest.Algorithm, digest.Hex, "link"), digest)
	}
	return writeLink(s.repository(repository, "_layers", digest.Algorithm, digest.Hex, "link"), digest)
}

func (s *Store) tag(image planned) error {
	tag := image.reference.Tag
	if tag == "" {
		return nil
	}
	tags := s.repository(image.reference.Repository, "_manifests", "tags", tag)
	if err := writeLink(filepath.Join(tags, "index", image.digest.Algorithm, image.digest.Hex, "link"), image.digest); err != nil {
		return err
	}
	return writeLink(filepath.Join(tags, "current", "link"), image.digest)
}

// writeLink writes a file that leads to a blob, unless it does already.
func writeLink(path string, digest v1.Hash) error {
	if old, err := readLink(path); err == nil && old == digest {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path+".partial", []byte(digest.String()), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".partial", path)
}

// readLink reads a file that leads to a blob. One that a crash emptied counts
// as missing.
func readLink(path string) (v1.Hash, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return v1.Hash{}, fs.ErrNotExist
		}
		return v1.Hash{}, err
	}
	digest, err := v1.NewHash(strings.TrimSpace(string(content)))
	if err != nil {
		return v1.Hash{}, fs.ErrNotExist
	}
	return digest, nil
}

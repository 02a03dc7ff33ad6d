package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Images lists all that is in the store: every tag, and every manifest that is
// known by its digest, with what of an index is there. Another store that
// imports them has the same contents.
func (s *Store) Images(ctx context.Context) ([]Image, error) {
	repositories, err := s.repositories()
	if err != nil {
		return nil, fmt.Errorf("package store: %w", err)
	}
	var images []Image
	for _, repository := range repositories {
		found, err := s.imagesOf(ctx, repository)
		if err != nil {
			return nil, fmt.Errorf("package store: %s: %w", repository, err)
		}
		images = append(images, found...)
	}
	return images, nil
}

// Image describes an image of the store by its name.
func (s *Store) Image(ctx context.Context, name string) (Image, error) {
	digest, err := s.Resolve(name)
	if err != nil {
		return Image{}, err
	}
	return s.describe(ctx, name, digest)
}

// Bytes is the size of all blobs of the store.
func (s *Store) Bytes() (total int64, err error) {
	err = filepath.WalkDir(s.path("blobs"), func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}

// repositories lists the names of repositories that have manifests, sorted.
func (s *Store) repositories() ([]string, error) {
	root := s.path("repositories")
	var names []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if !entry.IsDir() || !strings.HasPrefix(name, "_") {
			return nil
		}
		if name == "_manifests" {
			relative, err := filepath.Rel(root, filepath.Dir(path))
			if err != nil {
				return err
			}
			names = append(names, filepath.ToSlash(relative))
		}
		return fs.SkipDir
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	slices.Sort(names)
	return names, err
}

func (s *Store) imagesOf(ctx context.Context, repository string) ([]Image, error) {
	var images []Image
	add := func(name string, digest v1.Hash) error {
		image, err := s.describe(ctx, name, digest)
		if err == nil {
			images = append(images, image)
		}
		return err
	}
	tags, err := os.ReadDir(s.repository(repository, "_manifests", "tags"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, tag := range tags {
		digest, err := readLink(s.repository(repository, "_manifests", "tags", tag.Name(), "current", "link"))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it is being made
		}
		if err == nil {
			err = add(repository+":"+tag.Name(), digest)
		}
		if err != nil {
			return nil, err
		}
	}
	revisions, err := os.ReadDir(s.repository(repository, "_manifests", "revisions", "sha256"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, revision := range revisions {
		digest := v1.Hash{Algorithm: "sha256", Hex: revision.Name()}
		if checkDigest(digest) != nil {
			continue
		}
		if err := add(repository+"@"+digest.String(), digest); err != nil {
			return nil, err
		}
	}
	return images, nil
}

func (s *Store) describe(ctx context.Context, name string, digest v1.Hash) (Image, error) {
	content, err := s.ReadManifest(ctx, digest)
	if err != nil {
		return Image{}, err
	}
	var read document
	if err := json.Unmarshal(content, &read); err != nil {
		return Image{}, fmt.Errorf("manifest %s: %w", digest, err)
	}
	image := Image{Name: name, Descriptor: v1.Descriptor{Digest: digest, Size: int64(len(content)), MediaType: read.MediaType}}
	if image.Descriptor.MediaType == "" {
		image.Descriptor.MediaType = types.OCIManifestSchema1
		if read.Manifests != nil {
			image.Descriptor.MediaType = types.OCIImageIndex
		}
	}
	for _, child := range read.Manifests {
		if _, ok := s.Size(child.Digest); ok {
			image.Present = append(image.Present, child.Digest)
		}
	}
	return image, nil
}

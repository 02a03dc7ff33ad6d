package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/trust"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/preflight"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// checkSubject is what is to be installed on the machine that is checked.
type checkSubject struct {
	manifest     *manifest.Manifest // nil for a cluster without an application
	profile      manifest.NodeProfile
	architecture string
	size         int64 // of the bundle's blobs; zero without a bundle
}

// openSubject reads what is to be installed: a manifest or a bundle at path, and
// the bundle that a manifest at path is from; both may be empty.
func openSubject(trusted *trusted, path, imagePath, profile string) (*checkSubject, error) {
	subject := &checkSubject{architecture: runtime.GOARCH}
	isBundle, err := looksLikeBundle(path)
	if err != nil {
		return nil, err
	}
	if isBundle && imagePath != "" {
		return nil, cli.Usagef("--image-path: %s is a bundle already", path)
	}
	var content []byte
	name := path
	switch {
	case isBundle:
		content, err = subject.readBundle(trusted, path)
		name = bundle.NameManifest
	case imagePath != "":
		content, err = subject.readBundle(trusted, imagePath)
		name = filepath.Join(imagePath, bundle.NameManifest)
	}
	if err != nil {
		return nil, err
	}
	if !isBundle && path != "" {
		name = path
		own := content
		if content, err = readManifest(path); err != nil {
			return nil, err
		}
		// The scripts of a manifest are executed: who signed a bundle vouches for its
		// own manifest only.
		if own != nil && !bytes.Equal(own, content) {
			return nil, cli.WithHint(fmt.Errorf("check %s: it is not the manifest of the bundle in %s", path, imagePath), "extract the bundle again")
		}
	}
	if content == nil {
		if profile != "" {
			return nil, cli.Usagef("--profile: without a manifest there is no profile %q", profile)
		}
		return subject, nil
	}
	if err := subject.parse(name, content); err != nil {
		return nil, err
	}
	if err := subject.choose(profile); err != nil {
		return nil, err
	}
	if isBundle {
		return subject, nil
	}
	return subject, subject.readScripts(name)
}

// looksLikeBundle tells a bundle from a manifest: a folder or a tar.
func looksLikeBundle(path string) (bool, error) {
	if path == "" {
		return false, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return false, cli.WithHint(fmt.Errorf("check %s: %w", path, errors.Unwrap(err)),
			"name an application's manifest, the tar of a bundle, or the folder that one was extracted to")
	}
	if info.IsDir() {
		return true, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer file.Close()
	const magic, magicAt = "ustar", 257
	head := make([]byte, magicAt+len(magic))
	if _, err := io.ReadFull(file, head); err != nil {
		return false, nil // it is shorter than the head of a tar
	}
	return string(head[magicAt:]) == magic, nil
}

func (s *checkSubject) readBundle(trusted *trusted, path string) ([]byte, error) {
	opened, err := trusted.open(path)
	if errors.Is(err, trust.ErrUntrusted) {
		return nil, err
	}
	if err != nil {
		return nil, cli.WithHint(err, "name an application's manifest, the tar of a bundle, or the folder that one was extracted to")
	}
	defer opened.Close()
	if err := opened.Complete(); err != nil {
		return nil, err
	}
	s.size = opened.Size()
	s.architecture = opened.Index().Platform.Architecture
	return opened.Manifest()
}

func readManifest(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, manifest.MaxSize+1)) // Parse refuses the byte too many
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", path, err)
	}
	return content, nil
}

func (s *checkSubject) parse(name string, content []byte) error {
	parsed, _, err := manifest.Parse(name, bytes.NewReader(content))
	if err != nil {
		return cli.WithHint(err, "correct the manifest; docs/manifest.schema.json has all fields")
	}
	s.manifest = parsed
	return nil
}

// readScripts reads the scripts of custom checks that a manifest outside of a
// bundle refers to from the files beside it.
func (s *checkSubject) readScripts(name string) error {
	root, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer root.Close()
	checks := slices.Clone(s.profile.Requirements.CustomChecks)
	for i := range checks {
		if checks[i].Script, err = script(root.FS(), checks[i].Script); err != nil {
			return fmt.Errorf("manifest %s: profile %s: custom check %d: %w", name, s.profile.Name, i+1, err)
		}
	}
	s.profile.Requirements.CustomChecks = checks
	return nil
}

// script reads the script that a source is or leads to, if it is a file's.
func script(dir fs.FS, source manifest.Source) (manifest.Source, error) {
	name, isFile := strings.CutPrefix(string(source), "file://")
	if !isFile || !source.IsReference() {
		return source, nil
	}
	file, err := dir.Open(filepath.Clean(name))
	if err != nil {
		return "", err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, manifest.MaxValueSize))
	return manifest.Source(content), err
}

// choose takes a profile by its name, or the only one.
func (s *checkSubject) choose(name string) error {
	profiles := s.manifest.NodeProfiles
	if name == "" && len(profiles) == 1 {
		s.profile = profiles[0]
		return nil
	}
	if name == "" && len(profiles) == 0 {
		return nil
	}
	found, ok := s.manifest.Profile(name)
	if !ok {
		names := make([]string, len(profiles))
		for i, profile := range profiles {
			names[i] = profile.Name
		}
		message := cli.Usagef("--profile: %s has no profile %q", s.manifest.Metadata.Name, name)
		if name == "" {
			message = cli.Usagef("%s has several node profiles", s.manifest.Metadata.Name)
		}
		return cli.WithHint(message, "use --profile with one of %s", strings.Join(names, ", "))
	}
	s.profile = found
	return nil
}

// fill sets what the subject says.
func (s *checkSubject) fill(options *preflight.Options) {
	options.Architecture = s.architecture
	options.Profile = s.profile
	options.Space.Bundle = s.size
	if s.manifest != nil {
		options.HairpinMode = s.manifest.OptionsOf(s.profile.Name).Kubelet.HairpinMode
		options.Network = s.manifest.Providers.Generic.Network.Type
	}
}

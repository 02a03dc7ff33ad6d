package build

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

	"github.com/Masterminds/semver/v3"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/pull"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// Runtimes has Kubernetes runtimes.
type Runtimes interface {
	// Versions lists what there is, newest first.
	Versions(ctx context.Context) ([]string, error)
	// Fetch returns the descriptor of a runtime's artifact and where its blobs
	// are.
	Fetch(ctx context.Context, version string, cache *pull.Cache, options pull.Options) (v1.Descriptor, bundle.BlobSource, error)
	// String says where they are.
	String() string
}

// OpenRuntimes opens the folder of an OCI layout, or a registry's repository
// prefix such as registry.example.com/gravity, below which runtimes are in the
// repository "runtime". Hosts of insecure may speak HTTP; "*" is all hosts.
func OpenRuntimes(where string, insecure []string) (Runtimes, error) {
	if where == "" {
		return nil, errors.New("no runtimes are named")
	}
	info, err := os.Stat(where)
	if err == nil && info.IsDir() {
		return layoutRuntimes(where), nil
	}
	repository, parseErr := name.NewRepository(where+"/runtime", nameOptions(where, insecure)...)
	if parseErr != nil || !strings.ContainsAny(repository.RegistryStr(), ".:") && repository.RegistryStr() != "localhost" ||
		strings.HasPrefix(where, ".") || filepath.IsAbs(where) {
		if err == nil {
			err = fmt.Errorf("%s is no folder", where)
		}
		return nil, cli.WithHint(fmt.Errorf("find the runtimes: %w", err),
			"build them with 'make runtimes', or name an OCI layout or HOST/PATH of a registry by --runtimes or TELE_RUNTIMES")
	}
	return registryRuntimes{repository}, nil
}

func nameOptions(where string, insecure []string) []name.Option {
	host, _, _ := strings.Cut(where, "/")
	if slices.Contains(insecure, "*") || slices.Contains(insecure, host) {
		return []name.Option{name.Insecure}
	}
	return nil
}

// layoutRuntimes is a folder.
type layoutRuntimes string

func (l layoutRuntimes) String() string { return string(l) }

func (l layoutRuntimes) index() (*v1.IndexManifest, error) {
	file, err := os.Open(filepath.Join(string(l), "index.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, cli.WithHint(fmt.Errorf("%s is not an OCI layout: %w", l, err), "'make runtimes' builds one")
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	index, err := v1.ParseIndexManifest(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file.Name(), err)
	}
	return index, nil
}

func (l layoutRuntimes) Versions(context.Context) ([]string, error) {
	index, err := l.index()
	if err != nil {
		return nil, err
	}
	var versions []string
	for _, listed := range index.Manifests {
		if version, ok := strings.CutPrefix(listed.Annotations["org.opencontainers.image.ref.name"], runtime.Reference("")); ok {
			versions = append(versions, version)
		}
	}
	return newestFirst(versions), nil
}

func (l layoutRuntimes) Fetch(
	_ context.Context, version string, _ *pull.Cache, _ pull.Options,
) (v1.Descriptor, bundle.BlobSource, error) {
	index, err := l.index()
	if err != nil {
		return v1.Descriptor{}, nil, err
	}
	for _, listed := range index.Manifests {
		if listed.Annotations["org.opencontainers.image.ref.name"] == runtime.Reference(version) {
			return listed, bundle.Layout(string(l)), nil
		}
	}
	return v1.Descriptor{}, nil, fmt.Errorf("%s has no runtime %s any more", l, version)
}

// registryRuntimes is a repository.
type registryRuntimes struct{ name.Repository }

func (r registryRuntimes) Versions(ctx context.Context) ([]string, error) {
	tags, err := remote.List(r.Repository, remote.WithContext(ctx), remote.WithAuthFromKeychain(dockerKeychain))
	if err != nil {
		return nil, fmt.Errorf("list the runtimes in %s: %w", r, err)
	}
	return newestFirst(tags), nil
}

func (r registryRuntimes) Fetch(
	ctx context.Context, version string, cache *pull.Cache, options pull.Options,
) (v1.Descriptor, bundle.BlobSource, error) {
	options.AllPlatforms = true // a runtime's index lists parts, not platforms
	images, err := cache.Pull(ctx, []pull.Request{{Reference: r.Tag(version).Name()}}, options)
	if err != nil {
		return v1.Descriptor{}, nil, err
	}
	return images[0].Descriptor, cache, nil
}

// newestFirst sorts what are versions and leaves out the rest.
func newestFirst(versions []string) []string {
	var parsed []*semver.Version
	for _, text := range versions {
		if version, err := semver.StrictNewVersion(text); err == nil {
			parsed = append(parsed, version)
		}
	}
	slices.SortFunc(parsed, func(a, b *semver.Version) int { return b.Compare(a) })
	sorted := make([]string, 0, len(parsed))
	for _, version := range parsed {
		sorted = append(sorted, version.Original())
	}
	return slices.Compact(sorted)
}

// chooseRuntime finds the runtime that the manifest names, or else the newest,
// and writes that one into the manifest.
func (a *Application) chooseRuntime(ctx context.Context) error {
	if a.Manifest.Kind == manifest.KindApplication {
		return nil
	}
	var err error
	if a.runtimes, err = OpenRuntimes(a.source.Runtimes, a.source.Insecure); err != nil {
		return err
	}
	versions, err := a.runtimes.Versions(ctx)
	if err != nil {
		return err
	}
	if len(versions) == 0 {
		return cli.WithHint(fmt.Errorf("there is no runtime in %s", a.runtimes), "'make runtimes' builds them")
	}
	if wanted := string(a.Manifest.RuntimeVersion()); wanted != "" {
		a.Runtime, a.RuntimeReason = wanted, "set in manifest"
		if !slices.Contains(versions, wanted) {
			return a.unknownRuntime(wanted, versions)
		}
		return nil
	}
	a.Runtime, a.RuntimeReason = versions[0], "the newest of "+a.runtimes.String()
	edited, warnings, err := a.Manifest.With(runtimeEdits(a.Manifest, a.Runtime)...)
	return a.took(edited, warnings, err)
}

func (a *Application) unknownRuntime(wanted string, versions []string) error {
	path := "baseImage"
	if a.Manifest.BaseImage.Version == "" {
		path = "systemOptions.runtime.version"
	}
	file, line := a.Manifest.Origin(path)
	return cli.WithHint(fmt.Errorf("%s:%d: %s: there is no runtime %s in %s", file, line, path, wanted, a.runtimes),
		"a runtime's version is that of its Kubernetes; there is: %s", strings.Join(versions, ", "))
}

// checkPlatform refuses a runtime for other machines: its master container says
// what it is for.
func checkPlatform(ctx context.Context, source bundle.BlobSource, artifact v1.Descriptor, platform v1.Platform) error {
	content, err := readSmall(ctx, source, artifact.Digest)
	if err != nil {
		return fmt.Errorf("runtime: %w", err)
	}
	var index v1.IndexManifest
	if err := json.Unmarshal(content, &index); err != nil {
		return fmt.Errorf("runtime: index %s: %w", artifact.Digest, err)
	}
	for _, part := range index.Manifests {
		if part.Annotations[runtime.AnnotationRole] == runtime.RoleMaster && part.Platform != nil && !part.Platform.Satisfies(platform) {
			return fmt.Errorf("the runtime is for %s, not for %s", part.Platform, platform)
		}
	}
	return nil
}

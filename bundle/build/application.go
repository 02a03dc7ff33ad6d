package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery/chart"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// Source says what is built.
type Source struct {
	// Path is the manifest, or the folder in which it is called app.yaml. The
	// folder may be a Helm chart without a manifest.
	Path string
	// Name and Version replace those of the manifest; empty keeps them.
	Name, Version string
	// SetImages are images whose tags or digests replace those in the
	// application's files; SetDeps are locators, REPOSITORY/NAME:VERSION, that
	// replace the versions of dependencies and of the runtime. Neither changes
	// the folder.
	SetImages, SetDeps []string
	// Globs and Ignore select the files in which images are looked for, as
	// discovery.Options has them.
	Globs, Ignore []string
	// Set and Values are values of Helm charts, as chart.Options has them.
	Set    []string
	Values []chart.ValuesFile
	// Lookup has the variables that the manifest may name; nil for none.
	Lookup func(string) (string, bool)
	// Runtimes has the Kubernetes runtimes: the folder of an OCI layout, or a
	// repository prefix in a registry.
	Runtimes string
	// UpgradeVia are versions of runtimes to embed, through which upgrades step.
	UpgradeVia []string
	// Insecure are hosts of registries that may speak HTTP; "*" is all.
	Insecure []string
	// Platform is that of the machines.
	Platform v1.Platform
}

// Application is an application that was read: what a bundle of it will have.
// The caller closes it.
type Application struct {
	// Manifest is what the bundle will have, references replaced and the runtime
	// named.
	Manifest *manifest.Manifest
	// Runtime is the version of Kubernetes, empty for an application that has
	// none; RuntimeReason says why it is that one.
	Runtime, RuntimeReason string
	// Embedded are the versions of the runtimes that upgrades step through, oldest
	// first.
	Embedded []string

	source   Source
	folder   string
	root     *os.Root
	files    fs.FS
	runtimes Runtimes
	warnings manifest.Warnings
	// cache is the folder of the cache as a slash-separated path in the folder,
	// empty if it lies elsewhere.
	cache string
}

// Close releases the folder.
func (a *Application) Close() error { return a.root.Close() }

// ManifestName is how the manifest is called in a folder that is built.
const ManifestName = "app.yaml"

// fetchTimeout bounds the wait for what one reference of a manifest leads to.
const fetchTimeout = time.Minute

// Open reads an application's manifest and chooses its runtime. A manifest that
// is refused gives *manifest.Errors; warnings are returned in both cases.
func Open(ctx context.Context, source Source) (*Application, manifest.Warnings, error) {
	folder, name, err := locate(source.Path)
	if err != nil {
		return nil, nil, err
	}
	root, files, err := discovery.Open(folder)
	if err != nil {
		return nil, nil, err
	}
	a := &Application{source: source, folder: folder, root: root, files: files}
	if err := a.read(ctx, name); err != nil {
		_ = root.Close() // it was read only
		return nil, a.warnings, err
	}
	return a, a.warnings, nil
}

// locate finds the manifest and its folder. A chart without a manifest has an
// empty name.
func locate(path string) (folder, name string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", "", cli.WithHint(fmt.Errorf("read the application: %w", err),
			"name a manifest, or the folder that has %s", ManifestName)
	}
	if !info.IsDir() {
		if !info.Mode().IsRegular() {
			return "", "", fmt.Errorf("read the application: %s is neither a file nor a folder", path)
		}
		return filepath.Dir(path), filepath.Base(path), nil
	}
	if _, err := os.Stat(filepath.Join(path, ManifestName)); err == nil {
		return path, ManifestName, nil
	}
	if _, err := os.Stat(filepath.Join(path, chartName)); err == nil {
		return path, "", nil
	}
	return "", "", cli.WithHint(fmt.Errorf("folder %s has neither %s nor %s", path, ManifestName, chartName),
		"name the manifest if it is called otherwise")
}

// read parses the manifest, makes all changes that were asked for, and chooses
// the runtime.
func (a *Application) read(ctx context.Context, name string) error {
	if err := a.parse(name); err != nil {
		return err
	}
	if len(a.source.SetImages) > 0 {
		changed, err := discovery.SetImages(ctx, a.files, a.source.SetImages, a.discoveryOptions(a.hooks(ctx)))
		if err != nil {
			return err
		}
		a.files = discovery.Overlay(a.files, changed)
		if err := a.parse(name); err != nil {
			return err
		}
	}
	vendored, warnings, err := a.Manifest.Vendor(ctx, fetcher{a.files})
	if err := a.took(vendored, warnings, err); err != nil {
		return err
	}
	if err := a.chooseRuntime(ctx); err != nil {
		return err
	}
	return a.chooseEmbedded(ctx)
}

// parse reads the manifest and makes the changes that do not depend on other
// files.
func (a *Application) parse(name string) error {
	a.warnings = nil
	parsed, warnings, err := a.open(name)
	if err := a.took(parsed, warnings, err); err != nil {
		return err
	}
	edits, err := a.edits()
	if err != nil || len(edits) == 0 {
		return err
	}
	edited, warnings, err := a.Manifest.With(edits...)
	return a.took(edited, warnings, err)
}

func (a *Application) open(name string) (*manifest.Manifest, manifest.Warnings, error) {
	if name == "" {
		return fromChart(a.files)
	}
	file, err := openRegular(a.files, name)
	if err != nil {
		return nil, nil, fmt.Errorf("read the manifest %s: %w", name, err)
	}
	defer file.Close()
	return manifest.ParseExpanded(name, file, a.source.Lookup)
}

// took keeps a new state of the manifest, and each warning once.
func (a *Application) took(m *manifest.Manifest, warnings manifest.Warnings, err error) error {
	for _, warning := range warnings {
		if !slices.Contains(a.warnings, warning) {
			a.warnings = append(a.warnings, warning)
		}
	}
	if err == nil {
		a.Manifest = m
	}
	return err
}

// edits are the changes of the manifest that options ask for.
func (a *Application) edits() ([]manifest.Edit, error) {
	var edits []manifest.Edit
	if a.source.Name != "" {
		edits = append(edits, manifest.Edit{Path: "metadata.name", Value: a.source.Name})
	}
	if a.source.Version != "" {
		edits = append(edits, manifest.Edit{Path: "metadata.resourceVersion", Value: a.source.Version})
	}
	for _, text := range a.source.SetDeps {
		edit, err := dependencyEdits(a.Manifest, text)
		if err != nil {
			return nil, err
		}
		edits = append(edits, edit...)
	}
	return edits, nil
}

// fetcher gets what references of the manifest lead to: files as they will be in
// the bundle, and addresses.
type fetcher struct{ files fs.FS }

func (f fetcher) File(_ context.Context, name string) (io.ReadCloser, error) {
	return openRegular(f.files, name)
}

// openRegular opens a file. Whatever else has the name is refused: opening a pipe
// would wait for its writer, whom no signal ends.
func openRegular(files fs.FS, name string) (fs.File, error) {
	info, err := fs.Stat(files, name)
	if err != nil {
		return nil, pathCause(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	file, err := files.Open(name)
	if err != nil {
		return nil, pathCause(err)
	}
	return file, nil
}

// pathCause leaves out the path, which the reference has.
func pathCause(err error) error {
	if of, ok := errors.AsType[*fs.PathError](err); ok {
		return of.Err
	}
	return err
}

func (f fetcher) URL(ctx context.Context, address *url.URL) (io.ReadCloser, error) {
	return manifest.Folder{Client: &http.Client{Timeout: fetchTimeout}}.URL(ctx, address)
}

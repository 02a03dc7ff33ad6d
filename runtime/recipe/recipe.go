// Package recipe builds Kubernetes runtimes from source into an OCI image
// layout: programs from checksummed Go modules, root file systems from locked
// Debian packages, layers, images, catalogue entries and bills of materials.
//
// # Reproducibility
//
// The digests depend on nothing but the files below the folder runtime: the Go
// toolchain is the pinned one, C code is compiled and layers are compressed by
// locked Debian packages in a root of their own, times are the catalogue's,
// owners and order are fixed.
//
// # Steps
//
// All work is steps. A step makes a folder in the cache, named by the hash of
// everything that goes into it, in a temporary folder that is renamed when
// complete: killed anywhere, the next run starts from the last complete step.
package recipe

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// Options says what to build, where.
type Options struct {
	// Source is the folder runtime of a checkout.
	Source string
	// Cache is a folder that survives runs and belongs to the recipe alone.
	Cache string
	// Layout is the OCI image layout to write.
	Layout string
	// Versions are the runtimes to build, in this order: versions, or minors as
	// "1.37.x"; empty means all of the catalogue, newest first.
	Versions []string
	// Log receives lines about what is being done.
	Log io.Writer
}

// Report is what was built.
type Report struct {
	Layout   string          `json:"layout"`
	Runtimes []RuntimeReport `json:"runtimes"`
	// Seconds is how long the whole run took.
	Seconds float64 `json:"seconds"`
	// Steps are the steps that were run, the others came from the cache.
	Steps []StepReport `json:"steps"`
}

// RuntimeReport is one runtime of a Report.
type RuntimeReport struct {
	Version string `json:"version"`
	// Digest is that of the artifact's index.
	Digest string `json:"digest"`
	// Bytes is the size of all blobs of the artifact, compressed.
	Bytes int64 `json:"bytes"`
	// AddedBytes is how much of Bytes no runtime before it in the report has.
	AddedBytes int64         `json:"addedBytes"`
	Layers     []LayerReport `json:"layers"`
	// UpToDate says that the layout had it already.
	UpToDate bool `json:"upToDate"`
}

// LayerReport is one layer of a runtime.
type LayerReport struct {
	Name string `json:"name"`
	// Components are "name=version" pairs.
	Components string `json:"components"`
	Bytes      int64  `json:"bytes"`
	// UncompressedBytes is the size of the tar.
	UncompressedBytes int64 `json:"uncompressedBytes"`
}

// Build builds the runtimes and adds them to the layout, each as soon as it is
// complete. Runtimes that the layout already has from equal sources are left
// alone. Errors name the step and say how to go on; whatever was complete stays
// and is not made again.
func Build(ctx context.Context, options Options) (*Report, error) {
	start := time.Now()
	catalogue, err := runtime.Releases()
	if err != nil {
		return nil, err
	}
	selected, err := selectReleases(catalogue, options.Versions)
	if err != nil {
		return nil, err
	}
	unlock, err := lock(ctx, options)
	if err != nil {
		return nil, err
	}
	defer unlock()

	output, err := openLayout(options.Layout)
	if err != nil {
		return nil, err
	}
	recipeHash, err := hashSources(options.Source)
	if err != nil {
		return nil, err
	}
	b := &builder{
		catalogue: catalogue,
		source:    options.Source,
		steps:     newSteps(filepath.Join(options.Cache, "steps"), options.Log),
		cache:     options.Cache,
		layout:    output,
		recipe:    recipeHash,
	}
	report, err := b.build(ctx, selected)
	if err != nil {
		return nil, err
	}
	report.Layout = options.Layout
	report.Seconds = time.Since(start).Seconds()
	return report, output.collectGarbage()
}

// selectReleases finds what the versions mean, each release once; no version
// means all.
func selectReleases(catalogue *runtime.Catalogue, versions []string) ([]runtime.Release, error) {
	if len(versions) == 0 {
		return catalogue.Releases, nil
	}
	var selected []runtime.Release
	seen := make(map[string]bool)
	for _, version := range versions {
		releases, err := catalogue.Match(version)
		if err != nil {
			return nil, cli.Usagef("%w", err)
		}
		for _, release := range releases {
			if !seen[release.Version] {
				seen[release.Version] = true
				selected = append(selected, release)
			}
		}
	}
	return selected, nil
}

// builder holds what all steps of one run share.
type builder struct {
	catalogue *runtime.Catalogue
	source    string
	cache     string
	steps     *steps
	layout    *layout
	recipe    string
	tools     tools
}

// build makes the missing runtimes one after another, so that the first is
// usable early; what the next ones need is prepared meanwhile.
func (b *builder) build(ctx context.Context, releases []runtime.Release) (*Report, error) {
	missing := make(map[string]bool)
	for _, release := range releases {
		missing[release.Version] = !b.layout.isCurrent(release.Version, b.recipe)
	}
	var first []runtime.Release
	for _, release := range releases {
		if missing[release.Version] {
			first = append(first, release)
		}
	}
	if len(first) > 0 {
		if err := b.buildMissing(ctx, first); err != nil {
			return nil, err
		}
	}
	report := &Report{Steps: b.steps.report()}
	seen := make(map[string]bool)
	for _, release := range releases {
		entry, err := b.layout.reportRuntime(release.Version, seen)
		if err != nil {
			return nil, err
		}
		entry.UpToDate = !missing[release.Version]
		if err := b.layout.checkNames(release.Version); err != nil {
			return nil, err
		}
		report.Runtimes = append(report.Runtimes, entry)
	}
	return report, nil
}

func (b *builder) buildMissing(ctx context.Context, releases []runtime.Release) error {
	stopTicker := b.steps.announceRunning(ctx)
	defer stopTicker()
	var err error
	if b.tools, err = b.findTools(ctx); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	b.prefetch(ctx, group, releases)
	group.Go(func() error {
		for _, release := range releases {
			if err := b.buildRuntime(ctx, release); err != nil {
				return fmt.Errorf("runtime %s: %w", release.Version, err)
			}
		}
		return nil
	})
	return group.Wait()
}

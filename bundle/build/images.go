package build

import (
	"cmp"
	"context"
	"io"
	"regexp"
	"slices"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery/chart"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery/kustomization"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// Discover finds the images that the application asks for. If it is not sure
// about any, the error is of type discovery.Problems; the result then has what
// was found nevertheless.
func (a *Application) Discover(ctx context.Context) (*discovery.Result, error) {
	version := a.Runtime
	if version == "" {
		// An application for clusters that exist: the newest is as good as any.
		catalogue, err := runtime.Releases()
		if err != nil {
			return nil, err
		}
		version = catalogue.Releases[0].Version
	}
	charts, err := chart.New(chart.Options{
		KubernetesVersion: version, Set: a.source.Set, Values: a.source.Values,
		Namespace: a.Manifest.Metadata.Namespace,
	})
	if err != nil {
		return nil, err
	}
	options := a.discoveryOptions(a.hooks(ctx))
	options.Charts, options.Kustomizations = charts, kustomization.New()
	return discovery.Discover(ctx, a.files, options)
}

func (a *Application) discoveryOptions(hooks []discovery.HookJob) discovery.Options {
	ignore := a.source.Ignore
	if a.cache != "" {
		ignore = append(slices.Clone(ignore), "^"+regexp.QuoteMeta(a.cache)+"/")
	}
	return discovery.Options{Hooks: hooks, Globs: a.source.Globs, Ignore: ignore}
}

// hooks are the jobs of the manifest's hooks with where they are written. Jobs
// that cannot be read are left out: Vendor reports them.
func (a *Application) hooks(ctx context.Context) []discovery.HookJob {
	var jobs []discovery.HookJob
	references := a.Manifest.References()
	for name, hook := range a.Manifest.Hooks {
		path := "hooks." + string(name) + ".job"
		job := discovery.HookJob{YAML: []byte(hook.Job)}
		job.File, job.Line = a.Manifest.Origin(path)
		if reference, ok := references[path]; ok {
			var file bool
			if job.YAML, job.File, file = a.hookFile(ctx, reference); !file {
				continue
			}
			job.Line = 1
		}
		jobs = append(jobs, job)
	}
	slices.SortFunc(jobs, func(a, b discovery.HookJob) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return jobs
}

// hookFile reads the job that a reference to a file leads to.
func (a *Application) hookFile(ctx context.Context, reference manifest.Source) (text []byte, name string, ok bool) {
	name, ok = reference.FileName()
	if !ok {
		return nil, "", false
	}
	file, err := fetcher{a.files}.File(ctx, name)
	if err != nil {
		return nil, "", false
	}
	defer file.Close()
	text, err = io.ReadAll(io.LimitReader(file, manifest.MaxValueSize))
	return text, name, err == nil
}

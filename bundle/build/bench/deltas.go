package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// addition is what a bundle grows by, and what it costs.
type addition struct {
	What string `json:"what"`
	// Added is by how many bytes the bundle is larger; for a bundle upon another,
	// how large it is without gravity.
	Added int64 `json:"added"`
	// Cold makes the delta, Cached finds it in the cache.
	Cold   *single `json:"cold"`
	Cached *single `json:"cached"`
}

// deltas measures bundles with embedded releases, one more each time, and a bundle
// upon another of the release before; none means that there are no runtimes.
func (b *bench) deltas(ctx context.Context) ([]addition, error) {
	if _, err := os.Stat(filepath.Join(b.Runtimes, "index.json")); err != nil {
		b.tell("deltas are left out: %v", err)
		return nil, nil
	}
	releases, err := runtime.Releases()
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(b.folder, "deltas")
	defer os.RemoveAll(folder)
	versions := releases.Versions()
	application, err := b.application("deltas", nil)
	if err != nil {
		return nil, err
	}
	target := "--set-dep=kubernetes:" + versions[0]
	bare, err := b.build(ctx, folder, "bare", application, target)
	if err != nil {
		return nil, err
	}
	var found []addition
	before := bare.Bundle
	flags := []string{target}
	for i, version := range versions[1:] {
		b.tell("embedding %s", version)
		flags = append(flags, "--upgrade-via="+version)
		one, err := b.twice(ctx, folder, fmt.Sprintf("embedded release %d, %s", i+1, version), application, flags...)
		if err != nil {
			return nil, err
		}
		one.Added, before = one.Cold.Bundle-before, one.Cold.Bundle
		found = append(found, *one)
	}
	b.tell("building upon %s", versions[1])
	if _, err := b.build(ctx, folder, "base", application, "--set-dep=kubernetes:"+versions[1]); err != nil {
		return nil, err
	}
	what := fmt.Sprintf("%s upon a bundle of %s", versions[0], versions[1])
	one, err := b.twice(ctx, folder, what, application, target, "--version=1.0.1", "--base="+filepath.Join(folder, "base.tar"))
	if err != nil {
		return nil, err
	}
	gravity, err := os.Stat(filepath.Join(filepath.Dir(b.Tele), "gravity"))
	if err != nil {
		return nil, err
	}
	one.Added = one.Cold.Bundle - gravity.Size()
	return append(found, *one), nil
}

// twice builds a bundle whose newest delta is not in the cache, and again when all
// are.
func (b *bench) twice(ctx context.Context, folder, what, application string, flags ...string) (*addition, error) {
	one := &addition{What: what}
	var err error
	if one.Cold, err = b.build(ctx, folder, "cold", application, flags...); err == nil {
		one.Cached, err = b.build(ctx, folder, "cached", application, flags...)
	}
	return one, err
}

// build builds one file, with a cache that the folder's builds share.
func (b *bench) build(ctx context.Context, folder, name, application string, flags ...string) (*single, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	output := filepath.Join(folder, name+".tar")
	arguments := []string{
		"build", application, "-q", "-f", "-o", output, "--state-dir=" + filepath.Join(folder, "state"), "--runtimes=" + b.Runtimes,
	}
	took, err := run(ctx, b.Tele, append(arguments, flags...)...)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(output)
	if err != nil {
		return nil, err
	}
	return &single{Bundle: info.Size(), figures: took}, nil
}

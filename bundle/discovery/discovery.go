package discovery

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Options say what Discover looks at.
type Options struct {
	// Hooks are the jobs of the manifest's hooks.
	Hooks []HookJob
	// Globs select files by their paths in the application's folder, as in
	// "**/*.yaml"; none selects every file. Charts and kustomizations are found
	// by their folders, whatever the globs.
	Globs []string
	// Ignore are regular expressions of files and folders to leave out, charts
	// and kustomizations among them. A folder's path ends with a slash.
	Ignore []string
	// Charts and Kustomizations render the folders of their kind. Without one,
	// such a folder is a problem.
	Charts         Renderer
	Kustomizations Renderer
}

// HookJob is the job of a hook of the manifest.
type HookJob struct {
	// YAML is the job.
	YAML []byte
	// File is where it is written, relative to the application's folder, and
	// Line the line of File that its first line is.
	File string
	Line int
}

// Open opens an application's folder so that nothing outside of it can be read,
// not even through symbolic links. The returned root must be closed.
func Open(dir string) (*os.Root, fs.FS, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("open the application's folder: %w", err)
	}
	return root, root.FS(), nil
}

// Discover finds every image of the application in a folder, which Open opened.
// If it is not sure about any, the error is of type Problems and has everything
// that stands in the way; the result then has what was found nevertheless.
func Discover(ctx context.Context, application fs.FS, options Options) (*Result, error) {
	filter, err := newFilter(options.Globs, options.Ignore)
	if err != nil {
		return nil, err
	}
	found := newCollection()
	reader := &reader{collection: found, application: application}

	tree, err := walk(ctx, application, filter, found)
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	for _, rendered := range []struct {
		renderer Renderer
		folders  []string
		origin   Origin
	}{
		{options.Charts, tree.charts, Chart},
		{options.Kustomizations, tree.kustomizations, Kustomization},
	} {
		files, err := reader.rendered(ctx, rendered.renderer, rendered.folders, rendered.origin)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			used[file] = true
		}
	}
	for _, file := range tree.files {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		if !used[file] {
			reader.file(file)
		}
	}
	for _, job := range options.Hooks {
		reader.hook(job)
	}
	result := found.result()
	return result, found.problems.orNil()
}

// rendered reads what a renderer makes of its folders, and returns the files it
// used.
func (r *reader) rendered(ctx context.Context, renderer Renderer, folders []string, origin Origin) ([]string, error) {
	if len(folders) == 0 {
		return nil, nil
	}
	if renderer == nil {
		for _, folder := range folders {
			r.problem(folder, 0, "", "this is a %s, and nothing here can render it", origin)
		}
		return nil, nil
	}
	rendering, err := renderer.Render(ctx, r.application, folders)
	if err != nil {
		return nil, fmt.Errorf("render each %s: %w", origin, err)
	}
	if rendering == nil {
		return nil, errors.New("the renderer rendered nothing")
	}
	for _, text := range rendering.Texts {
		r.text(text, origin)
	}
	r.problems = append(r.problems, rendering.Problems...)
	r.notes = append(r.notes, rendering.Notes...)
	return rendering.Used, nil
}

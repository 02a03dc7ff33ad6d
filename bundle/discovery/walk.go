package discovery

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
)

// tree is what an application's folder has.
type tree struct {
	files          []string
	charts         []string // folders and archives
	kustomizations []string // folders
}

// kustomizationFiles are the names that kustomize knows.
var kustomizationFiles = []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}

// fluxKustomization tells a Kustomization of Flux, an ordinary object, from one
// of kustomize; people give both files the same name.
var fluxKustomization = regexp.MustCompile(`(?m)^apiVersion:\s*["']?kustomize\.toolkit\.fluxcd\.io/`)

// walk lists the files of the application, and the folders to render. Files of a
// chart belong to the chart alone.
func walk(ctx context.Context, application fs.FS, filter *filter, found *collection) (*tree, error) {
	t := &tree{}
	err := fs.WalkDir(application, ".", func(name string, entry fs.DirEntry, err error) error {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		if err != nil {
			if name == "." {
				return fmt.Errorf("read the application's folder: %w", err)
			}
			found.problem(name, 0, "", "cannot be read: %w", reason(err))
			return nil
		}
		switch {
		case entry.IsDir():
			return t.folder(application, name, filter)
		case filter.ignored(name):
		case entry.Type()&fs.ModeSymlink != 0:
			checkLink(application, name, found)
		case entry.Type().IsRegular():
			if isChartArchive(application, name) {
				t.charts = append(t.charts, name)
			} else if filter.wanted(name) {
				t.files = append(t.files, name)
			}
		default:
			found.note(name, 0, "neither file nor folder; left alone")
		}
		return nil
	})
	return t, err
}

func (t *tree) folder(application fs.FS, name string, filter *filter) error {
	if name != "." && (filter.ignored(name+"/") || path.Base(name) == ".git") {
		return fs.SkipDir
	}
	if chart := path.Join(name, "Chart.yaml"); isFile(application, chart) && !filter.ignored(chart) {
		t.charts = append(t.charts, name)
		return fs.SkipDir
	}
	for _, file := range kustomizationFiles {
		file = path.Join(name, file)
		if !isFile(application, file) || filter.ignored(file) {
			continue
		}
		if data, err := fs.ReadFile(application, file); err == nil && fluxKustomization.Match(data) {
			continue
		}
		t.kustomizations = append(t.kustomizations, name)
		break
	}
	return nil
}

// checkLink looks at a symbolic link. What it leads to is looked at where it is.
func checkLink(application fs.FS, name string, found *collection) {
	_, err := fs.Stat(application, name)
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrNotExist):
		found.note(name, 0, "a symbolic link that leads nowhere; left alone")
	default:
		found.problem(name, 0, "replace the link by what it leads to",
			"a symbolic link that cannot be followed inside the application's folder: %w", reason(err))
	}
}

func isFile(application fs.FS, name string) bool {
	info, err := fs.Stat(application, name)
	return err == nil && info.Mode().IsRegular()
}

// reason is an error without the operation and path that it repeats.
func reason(err error) error {
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		return pathError.Err
	}
	return err
}

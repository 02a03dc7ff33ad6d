package kustomization

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery"
)

// New makes a renderer of kustomizations.
func New() discovery.Renderer { return renderer{} }

type renderer struct{}

// Render builds the kustomizations in the given folders that are not used by
// others.
func (renderer) Render(ctx context.Context, application fs.FS, folders []string) (*discovery.Rendering, error) {
	survey := &survey{application: application, sources: map[string]*source{}}
	for _, folder := range folders {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		survey.visit(folder)
	}
	rendering := &discovery.Rendering{}
	used := map[string]bool{}
	for _, source := range survey.sources {
		rendering.Problems = append(rendering.Problems, source.problems...)
		for file := range source.files {
			used[file] = true
		}
	}
	rendering.Used = slices.Sorted(maps.Keys(used))
	roots, notes, problems := survey.roots()
	rendering.Notes = notes
	rendering.Problems = append(rendering.Problems, problems...)
	for _, root := range roots {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		if !survey.sound(root) {
			continue
		}
		texts, err := build(survey, root)
		if err != nil {
			rendering.Problems = append(rendering.Problems, discovery.Problemf(root.file, 0, "", "kustomization: %w", err))
			continue
		}
		rendering.Texts = append(rendering.Texts, texts...)
	}
	return rendering, nil
}

// roots are the kustomizations that are built by themselves.
func (s *survey) roots() ([]*source, []discovery.Note, []discovery.Problem) {
	partOf := map[string]bool{}
	for _, source := range s.sources {
		for _, folder := range source.folders {
			partOf[folder] = true
		}
	}
	var roots []*source
	var notes []discovery.Note
	reached := map[*source]bool{}
	for _, folder := range slices.Sorted(maps.Keys(s.sources)) {
		switch source := s.sources[folder]; {
		case partOf[folder]:
		case source.component:
			reached[source] = true
			notes = append(notes, discovery.Note{File: source.file, Message: "a component that no kustomization uses; left alone"})
		default:
			roots = append(roots, source)
			for part := range s.parts(source) {
				reached[part] = true
			}
		}
	}
	var problems []discovery.Problem
	for _, folder := range slices.Sorted(maps.Keys(s.sources)) {
		if source := s.sources[folder]; !reached[source] && !s.underComponent(source) {
			problems = append(problems, discovery.Problemf(source.file, 0, "", "kustomizations use each other in a circle"))
		}
	}
	return roots, notes, problems
}

// underComponent says whether only an unused component leads to a source.
func (s *survey) underComponent(wanted *source) bool {
	for _, source := range s.sources {
		if source.component && s.parts(source)[wanted] {
			return true
		}
	}
	return false
}

// parts are a kustomization and all that it uses.
func (s *survey) parts(root *source) map[*source]bool {
	parts := map[*source]bool{}
	open := []*source{root}
	for len(open) > 0 {
		source := open[0]
		open = open[1:]
		if source == nil || parts[source] {
			continue
		}
		parts[source] = true
		for _, folder := range source.folders {
			open = append(open, s.sources[folder])
		}
	}
	return parts
}

// sound says whether nothing is wrong with a kustomization and all that it uses.
func (s *survey) sound(root *source) bool {
	for part := range s.parts(root) {
		if len(part.problems) > 0 {
			return false
		}
	}
	return true
}

// names are those of the file that makes a folder a kustomization.
var names = []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}

// fileOf finds that file in a folder; there must be one.
func fileOf(application fs.FS, folder string) (string, error) {
	var found []string
	for _, name := range names {
		name = path.Join(folder, name)
		if info, err := fs.Stat(application, name); err == nil && info.Mode().IsRegular() {
			found = append(found, name)
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("has no %s", names[0])
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("has both %s and %s", found[0], found[1])
}

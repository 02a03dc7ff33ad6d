package kustomization

import (
	"errors"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery/internal/document"
)

// survey knows what kustomizations name, before any is built.
type survey struct {
	application fs.FS
	sources     map[string]*source // by folder
}

// source is a kustomization as it is written.
type source struct {
	folder, file string
	node         *yaml.Node
	component    bool
	files        map[string]bool // that it reads, by path in the application
	folders      []string        // that it uses, with kustomizations
	problems     []discovery.Problem
}

// visit reads the kustomization of a folder, and those that it uses.
func (s *survey) visit(folder string) {
	if s.sources[folder] != nil {
		return
	}
	source := &source{folder: folder, file: folder, files: map[string]bool{}}
	s.sources[folder] = source
	file, err := fileOf(s.application, folder)
	if err != nil {
		source.problem(0, "", "%w", err)
		return
	}
	source.file = file
	source.files[file] = true
	data, err := fs.ReadFile(s.application, file)
	if err != nil {
		source.problem(0, "", "kustomization: %w", err)
		return
	}
	roots, err := document.ParseYAML(data)
	if at, ok := errors.AsType[*document.Error](err); ok {
		source.problem(at.Line, "", "%s", at.Message)
		return
	}
	switch {
	case len(roots) != 1 || roots[0].Kind != yaml.MappingNode:
		source.problem(0, "", "is not a kustomization")
		return
	}
	for _, duplicate := range document.Duplicates(roots[0]) {
		source.problem(duplicate.Line, "", "%s", duplicate.Message)
	}
	source.node = roots[0]
	kind, _ := document.Text(document.Get(source.node, "kind"))
	source.component = kind == "Component"
	s.fields(source)
	for _, folder := range source.folders {
		s.visit(folder)
	}
}

func (s *source) problem(line int, hint, format string, args ...any) {
	s.problems = append(s.problems, discovery.Problemf(s.file, line, hint, format, args...))
}

// fields looks up everything that a kustomization names.
func (s *survey) fields(source *source) {
	for key, value := range document.Fields(source.node) {
		switch key {
		case "resources", "bases", "components":
			for _, item := range document.Items(value) {
				s.resource(source, item)
			}
		case "crds", "configurations":
			s.each(source, value)
		case "patchesStrategicMerge":
			s.inlineOr(source, value, false)
		case "generators", "transformers", "validators":
			s.inlineOr(source, value, true)
		case "patches", "patchesJson6902", "replacements":
			for _, item := range document.Items(value) {
				s.reference(source, document.Get(item, "path"), false)
			}
		case "openapi":
			s.reference(source, document.Get(value, "path"), false)
		case "configMapGenerator", "secretGenerator":
			for _, item := range document.Items(value) {
				s.generator(source, item)
			}
		case "helmCharts", "helmChartInflationGenerator":
			if value != nil {
				source.problem(value.Line, "put the chart into a folder of the application, beside the kustomization",
					"%s: charts are not inflated by kustomizations here", key)
			}
		}
	}
}

// each looks up the items of a list of paths.
func (s *survey) each(source *source, list *yaml.Node) {
	for _, item := range document.Items(list) {
		s.reference(source, item, false)
	}
}

// inlineOr looks up the items of a list of paths that may be documents instead.
// Documents that configure plugins name files and hosts themselves.
func (s *survey) inlineOr(source *source, list *yaml.Node, plugins bool) {
	for _, item := range document.Items(list) {
		text, _ := document.Text(item)
		if !strings.Contains(text, "\n") {
			file := s.reference(source, item, plugins)
			if plugins && file != "" {
				data, _ := fs.ReadFile(s.application, file)
				s.plugins(source, item.Line, data, true)
			}
			continue
		}
		if plugins {
			s.plugins(source, item.Line, []byte(text), true)
		}
	}
}

// generator looks up the files of a generator of config maps or secrets, which
// may have a key in front.
func (s *survey) generator(source *source, generator *yaml.Node) {
	for _, item := range document.Items(document.Get(generator, "files")) {
		named := *item
		if _, file, ok := strings.Cut(item.Value, "="); ok {
			named.Value = file
		}
		s.reference(source, &named, false)
	}
	s.each(source, document.Get(generator, "envs"))
	s.reference(source, document.Get(generator, "env"), false)
}

// remote is what kustomize takes for a URL of a file or of a Git repository,
// and what looks like one.
var remote = regexp.MustCompile(`(?i)^(?:git::|(?:https?|ssh|git|file):|[a-z][a-z0-9+.-]*://|[^/@\s]+@[^/\s]+[:/]|(?:www\.)?github\.com[:/])|://|\?ref=`)

// reference looks up one path, notes a file or a folder as used, and returns the
// file.
func (s *survey) reference(source *source, node *yaml.Node, folders bool) string {
	if node == nil {
		return ""
	}
	text, ok := document.Text(node)
	if !ok {
		source.problem(node.Line, "", "not a path")
		return ""
	}
	if remote.MatchString(text) {
		source.problem(node.Line, "put a copy into the application's folder, and name it by its path",
			"%q is remote, and a bundle must be complete", text)
		return ""
	}
	target := path.Join(source.folder, text)
	if path.IsAbs(text) || !fs.ValidPath(target) {
		source.problem(node.Line, "put a copy into the application's folder, and name it by its path",
			"%q is outside of the application's folder", text)
		return ""
	}
	info, err := fs.Stat(s.application, target)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		source.problem(node.Line, "", "%q does not exist", text)
	case err != nil:
		source.problem(node.Line, "", "%q cannot be read: %w", text, reason(err))
	case info.Mode().IsRegular():
		source.files[target] = true
		return target
	case info.IsDir() && folders:
		if _, err := fileOf(s.application, target); err != nil {
			source.problem(node.Line, "", "%q %w", text, err)
			return ""
		}
		source.folders = append(source.folders, target)
	default:
		source.problem(node.Line, "", "%q is not a file", text)
	}
	return ""
}

// resource looks up a file of objects, or another kustomization. Objects of a
// kustomization may configure generators and transformers of others.
func (s *survey) resource(source *source, node *yaml.Node) {
	if file := s.reference(source, node, true); file != "" {
		data, _ := fs.ReadFile(s.application, file)
		s.plugins(source, node.Line, data, false)
	}
}

// plugins looks at documents that configure generators and transformers: files
// that they name become readable, hosts are refused. Unless all documents do,
// it is those of apiVersion builtin.
func (s *survey) plugins(source *source, line int, data []byte, all bool) {
	roots, err := document.ParseYAML(data)
	if err != nil {
		return // kustomize reports it
	}
	for _, root := range roots {
		if version, _ := document.Text(document.Get(root, "apiVersion")); version != "builtin" && !all {
			continue
		}
		if kind, _ := document.Text(document.Get(root, "kind")); kind == "HelmChartInflationGenerator" {
			source.problem(line, "put the chart into a folder of the application, beside the kustomization",
				"%s: charts are not inflated by kustomizations here", kind)
		}
		s.strings(source, line, root)
	}
}

func (s *survey) strings(source *source, line int, node *yaml.Node) {
	if node.Kind == yaml.ScalarNode {
		text := node.Value
		if _, file, ok := strings.Cut(text, "="); ok {
			text = file
		}
		if remote.MatchString(text) {
			source.problem(line, "put a copy into the application's folder, and name it by its path",
				"%q is remote, and a bundle must be complete", node.Value)
		}
		target := path.Join(source.folder, text)
		if info, err := fs.Stat(s.application, target); err == nil && info.Mode().IsRegular() {
			source.files[target] = true
		}
	}
	for _, child := range node.Content {
		s.strings(source, line, child)
	}
}

// reason is an error without the operation and path that it repeats.
func reason(err error) error {
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		return pathError.Err
	}
	return err
}

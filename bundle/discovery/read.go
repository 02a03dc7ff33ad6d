package discovery

import (
	"bytes"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery/internal/document"
)

// maxOtherSize is how long a file may be whose ending says nothing.
const maxOtherSize = 1 << 20

// reader reads files and adds what it finds to a collection.
type reader struct {
	*collection
	application fs.FS
	// watch, if set, is shown everything that is found in plain files and hooks.
	watch func(file string, offset int, found finding)
}

// file reads a file of the application.
func (r *reader) file(name string) {
	format := formatOf(name)
	info, err := fs.Stat(r.application, name)
	if err == nil && format == other && info.Size() > maxOtherSize {
		return
	}
	var data []byte
	if err == nil && info.Size() <= document.MaxSize {
		data, err = fs.ReadFile(r.application, name)
	}
	switch {
	case err != nil:
		r.problem(name, 0, "", "cannot be read: %w", reason(err))
	case info.Size() > document.MaxSize:
		r.problem(name, 0, "--ignore it, and list its images in an ImageSet",
			"has %d bytes; at most %d are read", info.Size(), document.MaxSize)
	case isBinary(data):
		r.binary(name, format, data)
	case format == other:
		r.other(name, data)
	default:
		r.parsed(name, format, data)
	}
}

// format is how a file is written, as far as its name tells.
type format int

const (
	other format = iota
	inYAML
	inJSON
)

func formatOf(name string) format {
	switch strings.ToLower(path.Ext(name)) {
	case ".yaml", ".yml":
		return inYAML
	case ".json":
		return inJSON
	}
	return other
}

// isBinary says whether a file is not text; the first kilobytes tell it for
// large ones.
func isBinary(data []byte) bool {
	return bytes.IndexByte(data[:min(len(data), 8<<10)], 0) >= 0 || !utf8.Valid(data)
}

func (r *reader) binary(name string, format format, data []byte) {
	switch {
	case bytes.HasPrefix(data, []byte{0xFF, 0xFE}) || bytes.HasPrefix(data, []byte{0xFE, 0xFF}):
		if format != other {
			r.problem(name, 0, "save it as UTF-8", "is UTF-16")
		}
	case format != other:
		r.note(name, 0, "not text; left alone")
	}
}

// Lines that make a text look like objects of Kubernetes.
var (
	yamlVersion = regexp.MustCompile(`(?m)^\s*(?:-\s+)?["']?apiVersion["']?\s*:`)
	yamlKind    = regexp.MustCompile(`(?m)^\s*(?:-\s+)?["']?kind["']?\s*:`)
	topVersion  = regexp.MustCompile(`(?m)^apiVersion:[ \t]`)
	topKind     = regexp.MustCompile(`(?m)^kind:[ \t]`)
)

// looksLikeObjects says whether a text that cannot be parsed was meant for
// Kubernetes.
func looksLikeObjects(data []byte) bool {
	if !bytes.Contains(data, []byte("apiVersion")) || !bytes.Contains(data, []byte("kind")) {
		return false
	}
	return yamlVersion.Match(data) && yamlKind.Match(data) ||
		bytes.Contains(data, []byte(`"apiVersion"`)) && bytes.Contains(data, []byte(`"kind"`))
}

// other reads a file whose ending does not say what it is. It may be a manual
// that quotes an object, or a script that pipes one to kubectl: whether it was
// meant for Kubernetes is only certain if it can be parsed.
func (r *reader) other(name string, data []byte) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	inBraces := bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) && looksLikeObjects(data)
	if !inBraces && (!topVersion.Match(data) || !topKind.Match(data)) {
		return
	}
	format := inYAML
	if inBraces {
		format = inJSON
	}
	if _, err := parseAs(format, data); err != nil || templated(string(data)) {
		r.note(name, 0, "looks like objects of Kubernetes but is a template or a script; images in it are not found")
		return
	}
	r.parsed(name, format, data)
}

func parseAs(format format, data []byte) ([]*yaml.Node, error) {
	if format == inJSON {
		return document.ParseJSON(data)
	}
	return document.ParseYAML(data)
}

// parsed reads a file in YAML or JSON.
func (r *reader) parsed(name string, format format, data []byte) {
	roots, err := parseAs(format, data)
	if err == nil {
		r.roots(name, 0, roots, File)
		return
	}
	switch template := templated(string(data)); {
	case template && !looksLikeObjects(data):
		r.note(name, 0, "a template, and not of Kubernetes; left alone")
	case format == inJSON && !looksLikeObjects(data):
		r.note(name, 0, "not valid JSON, and not of Kubernetes; left alone")
	default:
		problem := unreadable(name, 0, err)
		if template {
			line := 1 + bytes.Count(data[:templateMark(string(data))], []byte("\n"))
			problem = Problemf(name, line, templateHint, "is a template, which is not YAML: line %d: %w", problem.Line, problem.Err)
		}
		r.problems = append(r.problems, problem)
	}
}

// hook reads the job of a hook.
func (r *reader) hook(job HookJob) {
	offset := max(job.Line-1, 0)
	roots, err := document.ParseYAML(job.YAML)
	if err != nil {
		r.problems = append(r.problems, unreadable(job.File, offset, err))
		return
	}
	r.roots(job.File, offset, roots, Hook)
}

// roots reads the documents of a file or a hook, whose first line is offset
// lines down in the file.
func (r *reader) roots(name string, offset int, roots []*yaml.Node, origin Origin) {
	skipped := 0
	for _, root := range roots {
		group, kind, ok := identity(root)
		if !ok {
			if skipped++; skipped == 1 {
				r.note(name, root.Line+offset, "not an object of Kubernetes (no apiVersion and kind); left alone")
			}
			continue
		}
		for _, duplicate := range document.Duplicates(root) {
			r.problem(name, duplicate.Line+offset, "", "%s", duplicate.Message)
		}
		var o objects
		o.scan(root, "", group, kind)
		for _, found := range o.found {
			if r.watch != nil {
				r.watch(name, offset, found)
			}
			r.add(Place{
				File: name, Line: found.node.Line + offset, Field: found.field, Object: found.object,
				Reason: found.reason, Origin: origin, Text: found.text,
			})
		}
		for _, said := range o.problems {
			r.problem(name, said.line+offset, said.hint, "%s", said.message)
		}
		for _, said := range o.notes {
			r.note(name, said.line+offset, "%s", said.message)
		}
	}
}

// text reads what something was rendered to.
func (r *reader) text(text Text, origin Origin) {
	roots, err := document.ParseYAML(text.YAML)
	if err != nil {
		problem := unreadable(text.File, 0, err)
		file, line := text.locate(problem.Line, "")
		r.problem(file, line, "", "rendered line %d is not YAML: %w", problem.Line, problem.Err)
		return
	}
	for _, root := range roots {
		group, kind, ok := identity(root)
		if !ok {
			r.note(text.File, 0, "rendered line %d is not an object of Kubernetes; left alone", root.Line)
			continue
		}
		var o objects
		o.scan(root, "", group, kind)
		for _, found := range o.found {
			place := Place{
				File: text.File, Rendered: found.node.Line, Field: found.field, Object: found.object,
				Reason: found.reason, Origin: origin, Text: found.text,
			}
			place.File, place.Line = text.locate(place.Rendered, found.field)
			r.add(place)
		}
		for _, said := range o.problems {
			file, line := text.locate(said.line, "")
			r.problem(file, line, said.hint, "rendered line %d: %s", said.line, said.message)
		}
		for _, said := range o.notes {
			file, line := text.locate(said.line, "")
			r.note(file, line, "rendered line %d: %s", said.line, said.message)
		}
	}
}

func (t Text) locate(line int, field string) (string, int) {
	if t.Locate == nil {
		return t.File, 0
	}
	return t.Locate(line, field)
}

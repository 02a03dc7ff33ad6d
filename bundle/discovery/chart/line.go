package chart

import (
	"maps"
	"regexp"
	"strings"

	chart "helm.sh/helm/v4/pkg/chart/v2"
)

// action is a part of a template that is not printed as it stands.
var action = regexp.MustCompile(`\{\{.*?\}\}`)

// sourceLine guesses which line of a template a rendered line comes from: of
// those that say the same around their actions, the one that says most. It is
// zero if there are several, or none, as for lines of included templates.
func sourceLine(template, rendered string) int {
	rendered = strings.TrimSpace(rendered)
	found, most := 0, 0
	number := 0
	for line := range strings.Lines(template) {
		number++
		switch said := couldRender(strings.TrimSpace(line), rendered); {
		case said > most:
			found, most = number, said
		case said == most:
			found = 0
		}
	}
	return found
}

// couldRender says how much of a rendered line a line of a template has as it
// stands, if it could become that line; else it is -1.
func couldRender(line, rendered string) int {
	parts := action.Split(line, -1)
	if len(parts) == 1 {
		if line == rendered {
			return len(line)
		}
		return -1
	}
	rest, ok := strings.CutPrefix(rendered, parts[0])
	said := len(parts[0])
	for _, part := range parts[1 : len(parts)-1] {
		var found bool
		_, rest, found = strings.Cut(rest, part)
		ok = ok && found
		said += len(part)
	}
	last := parts[len(parts)-1]
	if !ok || !strings.HasSuffix(rest, last) {
		return -1
	}
	return said + len(last)
}

// templatesOf are the sources of a chart's templates and definitions, with those
// of its dependencies, by helm's names.
func templatesOf(loaded *chart.Chart) map[string]string {
	templates := map[string]string{}
	for _, file := range loaded.Templates {
		templates[loaded.ChartFullPath()+"/"+file.Name] = string(file.Data)
	}
	for _, crd := range loaded.CRDObjects() {
		templates[crd.Filename] = string(crd.File.Data)
	}
	for _, dependency := range loaded.Dependencies() {
		maps.Copy(templates, templatesOf(dependency))
	}
	return templates
}

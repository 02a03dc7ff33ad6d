package chart

import (
	"context"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	commonutil "helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery"
)

// failure is why a chart cannot be rendered.
type failure struct {
	file string // in the chart
	line int
	hint string
	err  error
}

// problem is a failure as discovery reports it.
func (f *failure) problem(loaded *chart.Chart, folder string) *discovery.Problem {
	problem := discovery.Problemf(path.Join(folder, f.file), f.line, f.hint, "chart %s: %s", loaded.Name(), oneLine(f.err))
	return &problem
}

// render renders a chart once, as the installation or an upgrade of a release.
// It returns the rendered files by helm's names.
func (r *renderer) render(ctx context.Context, loaded *chart.Chart, upgrade bool) (rendered map[string]string, failed *failure) {
	// Templates run code of a library of a hundred functions.
	defer func() {
		if cause := recover(); cause != nil {
			rendered, failed = nil, &failure{file: "Chart.yaml", err: fmt.Errorf("cannot be rendered: %v", cause)}
		}
	}()
	values, failed := r.prepare(loaded, upgrade)
	if failed != nil {
		return nil, failed
	}
	rendered, err := engine.Engine{}.RenderWithContext(ctx, loaded, values)
	if err != nil {
		file, line := errorPlace(err)
		if file == "" {
			file = "Chart.yaml"
		}
		return nil, &failure{file: file, line: line, hint: valuesHint, err: err}
	}
	for _, crd := range loaded.CRDObjects() {
		rendered[crd.Filename] = string(crd.File.Data)
	}
	return rendered, nil
}

// prepare drops the dependencies that are switched off, and makes what the
// templates see.
func (r *renderer) prepare(loaded *chart.Chart, upgrade bool) (common.Values, *failure) {
	values := common.Values(deepCopy(r.values))
	if err := chartutil.ProcessDependencies(loaded, values); err != nil {
		return nil, &failure{file: "Chart.yaml", err: fmt.Errorf("dependencies: %w", err)}
	}
	release := common.ReleaseOptions{
		Name: "release", Namespace: r.namespace, Revision: 1, IsInstall: !upgrade, IsUpgrade: upgrade,
	}
	if upgrade {
		release.Revision = 2
	}
	all, err := commonutil.ToRenderValuesWithSchemaValidation(
		loaded, values, release, withDefinitions(r.capabilities, loaded), foreignSchema(loaded) != "")
	if err != nil {
		return nil, &failure{file: "values.yaml", hint: valuesHint, err: err}
	}
	return all, nil
}

// textsOf are the rendered files that are documents.
func textsOf(folder string, rendered, templates map[string]string) []discovery.Text {
	var texts []discovery.Text
	for _, name := range slices.Sorted(maps.Keys(rendered)) {
		if !strings.HasSuffix(name, "NOTES.txt") && strings.TrimSpace(rendered[name]) != "" {
			texts = append(texts, text(folder, name, templates[name], rendered[name]))
		}
	}
	return texts
}

// oneLine is the message of an error of helm, which likes to draw trees.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// valuesHint is what to do about a chart that is not content with its values.
const valuesHint = "give the values that the application is installed with by --values and --set"

// text is what a template was rendered to. Helm's names begin with the name of
// the chart, in place of its folder.
func text(folder, name, template, rendered string) discovery.Text {
	file := path.Join(folder, withoutChart(name))
	lines := strings.Split(rendered, "\n")
	return discovery.Text{
		File: file, YAML: []byte(rendered),
		Locate: func(line int, _ string) (string, int) {
			if line < 1 || line > len(lines) {
				return file, 0
			}
			return file, sourceLine(template, lines[line-1])
		},
	}
}

func withoutChart(name string) string {
	_, rest, ok := strings.Cut(name, "/")
	if !ok {
		return name
	}
	return rest
}

// templatePlace is where an error of a template is: its name, below its chart's,
// and the line.
var templatePlace = regexp.MustCompile(`[A-Za-z0-9_.-]+(/[^\s:()"]+):(\d+)`)

// errorPlace finds the file in the chart, and the line, that an error of the
// engine is about. The deepest place comes last: the template that was included.
func errorPlace(err error) (string, int) {
	match := templatePlace.FindStringSubmatch(err.Error())
	if match == nil {
		return "", 0
	}
	var line int
	_, _ = fmt.Sscan(match[2], &line)
	return strings.TrimPrefix(match[1], "/"), line
}

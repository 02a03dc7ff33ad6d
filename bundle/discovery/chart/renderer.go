package chart

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery"
)

// Options are what charts are rendered with.
type Options struct {
	// KubernetesVersion is that of the target runtime, such as 1.37.2.
	KubernetesVersion string
	// APIVersions are those that the cluster serves besides Kubernetes' own and
	// those of the chart's own definitions: "example.com/v1" or
	// "example.com/v1/Kind".
	APIVersions []string
	// Set are values, as helm's --set takes them. They win over Values.
	Set []string
	// Values are the contents of files with values, as for helm's --values; later
	// ones win.
	Values []ValuesFile
	// Namespace is what the charts are installed into; "default" if empty.
	Namespace string
}

// ValuesFile is a file with values of charts.
type ValuesFile struct {
	// Name is for messages.
	Name string
	YAML []byte
}

// New makes a renderer of charts. All charts are rendered with the same options.
func New(options Options) (discovery.Renderer, error) {
	capabilities, err := capabilitiesOf(options.KubernetesVersion, options.APIVersions)
	if err != nil {
		return nil, err
	}
	values, err := merge(options.Values, options.Set)
	if err != nil {
		return nil, err
	}
	if options.Namespace == "" {
		options.Namespace = "default"
	}
	return &renderer{capabilities: capabilities, values: values, namespace: options.Namespace}, nil
}

type renderer struct {
	capabilities *common.Capabilities
	values       map[string]any
	namespace    string
}

// Render renders the charts in the given folders.
func (r *renderer) Render(ctx context.Context, application fs.FS, folders []string) (*discovery.Rendering, error) {
	rendering := &discovery.Rendering{}
	for _, folder := range folders {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		r.one(ctx, application, folder, rendering)
	}
	return rendering, nil
}

// one renders one chart.
func (r *renderer) one(ctx context.Context, application fs.FS, folder string, rendering *discovery.Rendering) {
	loaded, problem := load(application, folder)
	if problem == nil {
		problem = check(loaded, folder, r.capabilities)
	}
	if problem != nil {
		rendering.Problems = append(rendering.Problems, *problem)
		return
	}
	metadata := path.Join(folder, "Chart.yaml")
	if loaded.Metadata.Type == "library" {
		rendering.Notes = append(rendering.Notes, discovery.Note{
			File: metadata, Message: "a library, which renders nothing by itself; left alone",
		})
		return
	}
	if url := foreignSchema(loaded); url != "" {
		rendering.Notes = append(rendering.Notes, discovery.Note{
			File:    path.Join(folder, "values.schema.json"),
			Message: "values are not checked: the schema refers to " + url + ", which helm will not find at the site either",
		})
	}
	templates := templatesOf(loaded)
	seen := map[string]bool{}
	for _, upgrade := range []bool{false, true} {
		// Rendering changes a chart: it drops dependencies that are disabled.
		fresh, problem := load(application, folder)
		if problem != nil {
			rendering.Problems = append(rendering.Problems, *problem)
			return
		}
		rendered, failed := r.render(ctx, fresh, upgrade)
		if failed != nil {
			rendering.Problems = append(rendering.Problems, *failed.problem(loaded, folder))
			return
		}
		for _, text := range textsOf(folder, rendered, templates) {
			// Most of a chart is the same when it is upgraded.
			if key := text.File + "\x00" + string(text.YAML); !seen[key] {
				seen[key] = true
				rendering.Texts = append(rendering.Texts, text)
			}
		}
	}
}

// check refuses a chart that helm would refuse to install.
func check(loaded *chart.Chart, folder string, capabilities *common.Capabilities) *discovery.Problem {
	file := path.Join(folder, "Chart.yaml")
	if err := loaded.Validate(); err != nil {
		problem := discovery.Problemf(file, 0, "", "chart: %w", err)
		return &problem
	}
	if missing := missingDependencies(loaded); len(missing) > 0 {
		hint := fmt.Sprintf("run 'helm dependency build %s' in the application's folder", folder)
		if packed(folder) {
			hint = "run 'helm dependency build' in the chart's folder, and package it again"
		}
		problem := discovery.Problemf(file, lineOf(loaded, "dependencies:"), hint,
			"chart %s: charts/ lacks the dependencies %s", loaded.Name(), strings.Join(missing, ", "))
		return &problem
	}
	wanted := loaded.Metadata.KubeVersion
	if wanted != "" && !chartutil.IsCompatibleRange(wanted, capabilities.KubeVersion.String()) {
		problem := discovery.Problemf(file, lineOf(loaded, "kubeVersion:"), "use a runtime or a chart of another version",
			"chart %s needs Kubernetes %s, and the runtime has %s", loaded.Name(), wanted, capabilities.KubeVersion.Version)
		return &problem
	}
	return nil
}

// missingDependencies are those that Chart.yaml names and the chart's folder has
// not. Helm asks for all of them, also for those that values switch off.
func missingDependencies(loaded *chart.Chart) []string {
	var missing []string
	for _, wanted := range loaded.Metadata.Dependencies {
		if wanted != nil && !slices.ContainsFunc(loaded.Dependencies(), func(c *chart.Chart) bool { return c.Name() == wanted.Name }) {
			missing = append(missing, wanted.Name)
		}
	}
	return missing
}

// lineOf is the line of Chart.yaml that begins with a key; zero if none does.
func lineOf(loaded *chart.Chart, key string) int {
	for _, file := range loaded.Raw {
		if file.Name != "Chart.yaml" {
			continue
		}
		for i, line := range bytes.Split(file.Data, []byte("\n")) {
			if bytes.HasPrefix(line, []byte(key)) {
				return i + 1
			}
		}
	}
	return 0
}

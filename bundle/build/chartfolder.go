package build

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"

	"go.yaml.in/yaml/v3"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
)

// chartName is what makes a folder a Helm chart.
const chartName = "Chart.yaml"

// maxChartSize is the largest Chart.yaml, in bytes.
const maxChartSize = 1 << 20

// fromChart makes the manifest of a chart that has none: an application for
// clusters that exist already, with the chart's name and version.
func fromChart(files fs.FS) (*manifest.Manifest, manifest.Warnings, error) {
	file, err := openRegular(files, chartName)
	if err != nil {
		return nil, nil, fmt.Errorf("read the chart: %s: %w", chartName, err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxChartSize))
	if err != nil {
		return nil, nil, fmt.Errorf("read the chart: %w", err)
	}
	var chart struct {
		Name        string `yaml:"name"`
		Version     string `yaml:"version"`
		Description string `yaml:"description"`
	}
	if err := yaml.Unmarshal(content, &chart); err != nil {
		return nil, nil, fmt.Errorf("read the chart: %s: %w", chartName, err)
	}
	type metadata struct {
		Name            string `yaml:"name"`
		ResourceVersion string `yaml:"resourceVersion"`
		Description     string `yaml:"description,omitempty"`
	}
	text, err := yaml.Marshal(struct {
		APIVersion string   `yaml:"apiVersion"`
		Kind       string   `yaml:"kind"`
		Metadata   metadata `yaml:"metadata"`
	}{
		string(manifest.APIVersionApp), string(manifest.KindApplication),
		metadata{chart.Name, chart.Version, chart.Description},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("make a manifest of %s: %w", chartName, err)
	}
	return manifest.Parse(chartName, bytes.NewReader(text))
}

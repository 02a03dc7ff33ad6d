package chart_test

import (
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery/chart"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery/internal/goldentest"
)

func TestDiscover(t *testing.T) {
	goldentest.Run(t, "testdata", func(t *testing.T, c *goldentest.Case) (charts, _ discovery.Renderer) {
		options := chart.Options{KubernetesVersion: "1.37.2", APIVersions: c.Options["api"], Set: c.Options["set"]}
		if versions := c.Options["kube"]; len(versions) > 0 {
			options.KubernetesVersion = versions[0]
		}
		for _, name := range c.Options["values"] {
			options.Values = append(options.Values, chart.ValuesFile{Name: name, YAML: []byte(c.Outside[name])})
		}
		renderer, err := chart.New(options)
		if err != nil {
			t.Fatal(err)
		}
		return renderer, nil
	})
}

package chart_test

import (
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery/chart"
)

func TestOptionsAreChecked(t *testing.T) {
	tests := []struct {
		name    string
		options chart.Options
		want    string
	}{
		{"version", chart.Options{KubernetesVersion: "newest"}, `version of Kubernetes "newest"`},
		{"no version", chart.Options{}, `version of Kubernetes ""`},
		{"setting", chart.Options{KubernetesVersion: "1.37.2", Set: []string{"a"}}, "--set a"},
		{"values", chart.Options{
			KubernetesVersion: "1.37.2", Values: []chart.ValuesFile{{Name: "v.yaml", YAML: []byte("a: b: c")}},
		}, "--values v.yaml"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := chart.New(test.options)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

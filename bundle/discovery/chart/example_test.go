package chart_test

import (
	"context"
	"fmt"
	"testing/fstest"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery/chart"
)

// Charts are rendered for the runtime that the bundle will have, with the values
// that the application is installed with.
func ExampleNew() {
	application := fstest.MapFS{
		"web/Chart.yaml":  {Data: []byte("apiVersion: v2\nname: web\nversion: 1.0.0\n")},
		"web/values.yaml": {Data: []byte("tag: dev\n")},
		"web/templates/pod.yaml": {Data: []byte(`apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - name: web
    image: quay.io/example/web:{{ .Values.tag }}
`)},
	}
	charts, err := chart.New(chart.Options{KubernetesVersion: "1.37.2", Set: []string{"tag=v2"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := discovery.Discover(context.Background(), application, discovery.Options{Charts: charts})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, image := range result.Images {
		fmt.Println(image.Name)
		fmt.Println(image.Places[0])
	}
	// Output:
	// quay.io/example/web:v2
	// web/templates/pod.yaml:7 (rendered line 7)  spec.containers[0].image  chart
}

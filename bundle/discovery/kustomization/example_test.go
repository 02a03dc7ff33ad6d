package kustomization_test

import (
	"context"
	"fmt"
	"testing/fstest"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery/kustomization"
)

// The images of a kustomization are those that it is built with.
func ExampleNew() {
	application := fstest.MapFS{
		"kustomization.yaml": {Data: []byte(`resources: [web.yaml]
images: [{name: web, newName: quay.io/example/web, newTag: v2}]
`)},
		"web.yaml": {Data: []byte(`apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - name: web
    image: web
`)},
	}
	options := discovery.Options{Kustomizations: kustomization.New()}
	result, err := discovery.Discover(context.Background(), application, options)
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
	// web.yaml:7 (rendered line 7)  spec.containers[0].image  kustomization
}

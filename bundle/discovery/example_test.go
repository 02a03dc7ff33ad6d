package discovery_test

import (
	"context"
	"fmt"
	"testing/fstest"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery"
)

// An application is a folder; here it is one in memory. For one on disk, Open
// returns its file system, which refuses links that lead out of it.
func ExampleDiscover() {
	application := fstest.MapFS{"web.yaml": {Data: []byte(`apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - name: web
    image: nginx:1.29
    args: [--sidecar=quay.io/example/sidecar:2]
`)}}
	result, err := discovery.Discover(context.Background(), application, discovery.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, image := range result.Images {
		fmt.Println("bundle:", image.Name)
		for _, place := range image.Places {
			fmt.Println("   ", place)
		}
	}
	for _, image := range result.Suspects {
		fmt.Println("suspect:", image.Name)
	}
	// Output:
	// bundle: docker.io/library/nginx:1.29
	//     web.yaml:7  spec.containers[0].image  workload
	// suspect: quay.io/example/sidecar:2
}

// Everything that stands in the way is reported at once.
func ExampleProblems() {
	application := fstest.MapFS{
		"a.yaml": {Data: []byte("apiVersion: v1\nkind: Pod\nspec:\n\tcontainers: []\n")},
		"b.yaml": {Data: []byte("apiVersion: v1\nkind: Pod\nspec:\n  containers: [{image: Web}]\n")},
	}
	_, err := discovery.Discover(context.Background(), application, discovery.Options{})
	fmt.Println(err)
	// Output:
	// a.yaml:4: a tab indents this line; YAML indents with spaces
	// b.yaml:4: spec.containers[0].image: "Web" is not a reference to an image
}

// Images are set in what Discover reads and what goes into the bundle; the
// application's own files stay as they are.
func ExampleSetImages() {
	application := fstest.MapFS{"web.yaml": {Data: []byte(`apiVersion: v1
kind: Pod
spec:
  containers:
  - image: nginx:1.29 # the web server
`)}}
	ctx := context.Background()
	changed, err := discovery.SetImages(ctx, application, []string{"nginx:1.30"}, discovery.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s", changed["web.yaml"])
	result, err := discovery.Discover(ctx, discovery.Overlay(application, changed), discovery.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Images[0].Name)
	// Output:
	// apiVersion: v1
	// kind: Pod
	// spec:
	//   containers:
	//   - image: nginx:1.30 # the web server
	// docker.io/library/nginx:1.30
}

func ExampleParseReference() {
	for _, text := range []string{"nginx", "quay.io/example/web:1.2", "Web"} {
		ref, err := discovery.ParseReference(text)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(discovery.Name(ref))
	}
	// Output:
	// docker.io/library/nginx:latest
	// quay.io/example/web:1.2
	// "Web" is not a reference to an image
}

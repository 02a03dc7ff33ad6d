package manifest_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
)

const text = `apiVersion: bundle.gravitational.io/v2
kind: Bundle
metadata:
  name: shop
  resourceVersion: 2.1.0
baseImage: gravity:1.37.2
releaseNotes: file://notes.txt # shown before an upgrade
`

func ExampleParse() {
	m, warnings, err := manifest.Parse("app.yaml", strings.NewReader(text))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Metadata.Name, m.Metadata.ResourceVersion, "on Kubernetes", m.RuntimeVersion())
	fmt.Println(len(warnings), "warnings")
	// Output:
	// shop 2.1.0 on Kubernetes 1.37.2
	// 0 warnings
}

// All problems are reported at once.
func ExampleParse_problems() {
	_, _, err := manifest.Parse("app.yaml", strings.NewReader(`apiVersion: bundle.gravitational.io/v2
kind: Bundle
metadata:
  name: my shop
  resourceVersion: 2.1
baseimage: gravity:1.37.2
`))
	fmt.Println(err)
	// Output:
	// app.yaml: line 4, column 9: metadata.name: "my shop" is not an app name, which may contain only alphanumeric characters, dashes and underscores; write a name such as my-app
	// app.yaml: line 5, column 20: metadata.resourceVersion: 2.1 is a number, not a text; write a text in quotes, such as "1.0.0"
	// app.yaml: line 6, column 1: baseimage: unknown field "baseimage"; did you mean "baseImage"?
}

func ExampleManifest_Vendor() {
	dir, err := os.MkdirTemp("", "shop")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("New:\n* everything\n"), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer root.Close()

	m, _, err := manifest.Parse("app.yaml", strings.NewReader(text))
	if err != nil {
		fmt.Println(err)
		return
	}
	if m, _, err = m.Vendor(context.Background(), manifest.Folder{Root: root}); err != nil {
		fmt.Println(err)
		return
	}
	vendored, err := m.Encode()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(string(vendored))
	// Output:
	// apiVersion: bundle.gravitational.io/v2
	// kind: Bundle
	// metadata:
	//   name: shop
	//   resourceVersion: 2.1.0
	// baseImage: gravity:1.37.2
	// releaseNotes: | # shown before an upgrade
	//   New:
	//   * everything
}

func ExampleManifest_With() {
	m, _, err := manifest.Parse("app.yaml", strings.NewReader(text))
	if err != nil {
		fmt.Println(err)
		return
	}
	m, _, err = m.With(
		manifest.Edit{Path: "metadata.resourceVersion", Value: "2.1.1"},
		manifest.Edit{Path: "releaseNotes", Value: nil},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Metadata.ResourceVersion, m.Has("releaseNotes"))
	// Output: 2.1.1 false
}

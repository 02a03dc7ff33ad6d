package build

import (
	"fmt"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// dependencyEdits replace the version of a dependency. Kubernetes, by this name
// or as gravity, is the runtime.
func dependencyEdits(m *manifest.Manifest, text string) ([]manifest.Edit, error) {
	var wanted manifest.Locator
	full := text
	if !strings.Contains(text, "/") {
		full = manifest.Repository + "/" + text
	}
	if err := wanted.UnmarshalText([]byte(full)); err != nil {
		return nil, cli.Usagef("--set-dep %s: %v", text, err)
	}
	if wanted.Repository == manifest.Repository && (wanted.Name == "kubernetes" || wanted.Name == "gravity") {
		return runtimeEdits(m, string(wanted.Version)), nil
	}
	var known []string
	for _, list := range []struct {
		path     string
		locators []manifest.Locator
	}{
		{"dependencies.packages", m.Dependencies.Packages},
		{"dependencies.apps", m.Dependencies.Apps},
	} {
		for i, locator := range list.locators {
			if locator.Repository == wanted.Repository && locator.Name == wanted.Name {
				return []manifest.Edit{{Path: fmt.Sprintf("%s[%d]", list.path, i), Value: wanted.String()}}, nil
			}
			known = append(known, locator.String())
		}
	}
	return nil, cli.WithHint(fmt.Errorf("--set-dep %s: the manifest has no dependency of this name", text),
		"it has: %s", strings.Join(append(known, "kubernetes (the runtime)"), ", "))
}

// runtimeEdits name a runtime where the manifest does, or else as its base
// image.
func runtimeEdits(m *manifest.Manifest, version string) []manifest.Edit {
	var edits []manifest.Edit
	if m.Has("systemOptions.runtime.version") {
		edits = append(edits, manifest.Edit{Path: "systemOptions.runtime.version", Value: version})
	}
	if m.Has("baseImage") || len(edits) == 0 {
		edits = append(edits, manifest.Edit{Path: "baseImage", Value: "gravity:" + version})
	}
	return edits
}

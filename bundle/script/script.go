// Package script has the texts that lie beside the packages of a bundle: its
// README and the shell scripts by which operators install and upgrade (S02).
// The scripts find the folder that they are in, wherever it is.
package script

import (
	"embed"
	"fmt"
	"strings"
)

//go:embed templates
var templates embed.FS

// names are the scripts, sorted.
var names = []string{"install", "run_preflight_checks", "upgrade", "upload"}

// Values fill the texts.
type Values struct {
	// Name and Version are the application's.
	Name, Version string
	// Runtime is the version of Kubernetes, empty for an application that is
	// for clusters that exist already.
	Runtime string
	// Architecture is Go's name of the machines' one, such as "amd64".
	Architecture string
}

// Names lists the scripts of a bundle, sorted.
func Names() []string { return names }

// machines maps an architecture to what uname -m calls it.
var machines = map[string]string{"amd64": "x86_64", "arm64": "aarch64"}

// Render returns the text of README or of a script. An architecture that no
// kernel name is known of is an error.
func Render(name string, values Values) ([]byte, error) {
	file := name
	if name == "README" && values.Runtime == "" {
		file = "README.application"
	}
	content, err := templates.ReadFile("templates/" + file)
	if err != nil {
		return nil, fmt.Errorf("script %s: %w", name, err)
	}
	machine, ok := machines[values.Architecture]
	if !ok {
		return nil, fmt.Errorf("script %s: architecture %q is not supported", name, values.Architecture)
	}
	replacer := strings.NewReplacer(
		"@NAME@", values.Name,
		"@VERSION@", values.Version,
		"@UNDERLINE@", strings.Repeat("=", len(values.Name)+1+len(values.Version)),
		"@RUNTIME@", values.Runtime,
		"@MACHINE@", machine,
	)
	return []byte(replacer.Replace(string(content))), nil
}

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/build"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery/chart"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/upgrade"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cachedir"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

// runtimesVariable names the runtimes where no flag does.
const runtimesVariable = "TELE_RUNTIMES"

// maxValuesSize is the largest file of --values, in bytes.
const maxValuesSize = 4 << 20

// sourceFlags are the flags that say what is built.
type sourceFlags struct {
	name, version, runtimes, platform string
	setImages, setDeps, globs, ignore []string
	set, values, insecure             []string
	// upgradeVia is a flag of build only.
	upgradeVia []string
}

// add gives a command the flags.
func (f *sourceFlags) add(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&f.name, "name", "", "the application's `NAME`, instead of the manifest's")
	flags.StringVar(&f.version, "version", "", "the application's `VERSION`, instead of the manifest's")
	flags.StringArrayVar(&f.setImages, "set-image", nil, "use this tag or digest of an `IMAGE` in the application's files; repeatable")
	flags.StringArrayVar(&f.setDeps, "set-dep", nil, "use this version of a dependency, as `NAME:VERSION`; kubernetes is the runtime; repeatable")
	flags.StringArrayVar(&f.globs, "glob", nil, "look for images only in files of this `PATTERN`, as in '**/*.yaml'; repeatable")
	flags.StringArrayVar(&f.ignore, "ignore", nil, "look for no images in files of this regular `EXPRESSION`; repeatable")
	flags.StringArrayVar(&f.set, "set", nil, "a value of Helm charts, as `KEY=VALUE`; repeatable")
	flags.StringArrayVar(&f.values, "values", nil, "a `FILE` with values of Helm charts; repeatable, later ones win")
	flags.StringVar(&f.runtimes, "runtimes", "", "where the Kubernetes runtimes are: the folder of an OCI layout, or `HOST/PATH` of a registry\n"+
		"(default $"+runtimesVariable+", else what 'make runtimes' built)")
	flags.StringVar(&f.platform, "platform", "linux/amd64", "`PLATFORM` of the machines")
	flags.StringArrayVar(&f.insecure, "insecure", nil, "speak HTTP, or take any certificate, with all registries or this `HOST`; repeatable")
	flags.Lookup("insecure").NoOptDefVal = "*"
}

// source is what the flags say.
func (f *sourceFlags) source(path string) (build.Source, error) {
	source := build.Source{
		Path: path, Name: f.name, Version: f.version, SetImages: f.setImages, SetDeps: f.setDeps,
		Globs: f.globs, Ignore: f.ignore, Set: f.set, Lookup: os.LookupEnv, Insecure: f.insecure,
		UpgradeVia: f.upgradeVia,
	}
	platform, err := v1.ParsePlatform(f.platform)
	if err != nil || platform.OS != "linux" || platform.Architecture == "" {
		return source, cli.WithHint(cli.Usagef("--platform %s: bundles are for Linux", f.platform), "write linux/amd64 or linux/arm64")
	}
	source.Platform = *platform
	for _, name := range f.values {
		content, err := readValues(name)
		if err != nil {
			return source, err
		}
		source.Values = append(source.Values, chart.ValuesFile{Name: name, YAML: content})
	}
	source.Runtimes, err = firstOf(f.runtimes, runtimesVariable, "runtimes", "layout")
	return source, err
}

func readValues(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("--values: %w", err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxValuesSize+1))
	if err != nil {
		return nil, fmt.Errorf("--values: %w", err)
	}
	if len(content) > maxValuesSize {
		return nil, fmt.Errorf("--values: %s has more than %d bytes", name, maxValuesSize)
	}
	return content, nil
}

// firstOf is a flag, else a variable of the environment, else a folder in the
// cache.
func firstOf(flag, variable string, cached ...string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	if value := os.Getenv(variable); value != "" {
		return value, nil
	}
	return cachedir.Path(filepath.Join(cached...))
}

// open reads an application, and shows warnings about its manifest.
func openApplication(command *cobra.Command, flags *sourceFlags, args []string, warn func(string)) (*build.Application, error) {
	path := "."
	if len(args) > 0 {
		path = args[0]
	}
	source, err := flags.source(path)
	if err != nil {
		return nil, err
	}
	application, warnings, err := build.Open(command.Context(), source)
	for _, warning := range warnings {
		warn(warning.Error())
	}
	return application, explainVia(explainManifest(err), os.Args)
}

// explainManifest says what the problems of a manifest are about.
func explainManifest(err error) error {
	if refused, ok := err.(*manifest.Errors); ok { //nolint:errorlint // others say what they are about
		return fmt.Errorf("could not parse the application manifest:\n%w", refused)
	}
	return err
}

// explainVia adds the command that would work to an error about embedded runtimes.
func explainVia(err error, words []string) error {
	missing, ok := errors.AsType[*upgrade.MissingError](err)
	if !ok {
		return err
	}
	line := []string{"tele"}
	for i := 1; i < len(words); i++ {
		if words[i] == "--upgrade-via" {
			i++ // and its value
		} else if !strings.HasPrefix(words[i], "--upgrade-via=") {
			line = append(line, quoted(words[i]))
		}
	}
	for _, version := range missing.Via {
		line = append(line, "--upgrade-via="+version)
	}
	return cli.WithHint(err, "rebuild it with: %s", strings.Join(line, " "))
}

// quoted is a word as shells read it.
func quoted(word string) string {
	if word != "" && !strings.ContainsFunc(word, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("%+,-./:=@_", r)
	}) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// warner shows warnings as a format asks for it.
func warner(out io.Writer, format cli.Format, quiet bool) func(string) {
	switch {
	case quiet:
		return func(string) {}
	case format == cli.FormatJSON:
		return func(text string) { printEvent(out, report.BuildEvent{Warning: text}) }
	}
	return func(text string) { fmt.Fprintf(out, "warning: %s\n", text) }
}

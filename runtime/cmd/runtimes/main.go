// Command runtimes builds the Kubernetes runtimes that bundles carry, and
// refreshes the lock of the Debian packages in them.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cachedir"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
	"github.com/gravity-platform/terraform-provider-gravity/runtime/recipe"
)

func main() {
	// What is built must not depend on the user's umask, and the package manager
	// reads parts of the cache as another user.
	syscall.Umask(0o022)
	os.Exit(cli.Run(newRootCommand()))
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "runtimes",
		Short: "Build the Kubernetes runtimes that bundles carry",
	}
	root.AddCommand(newBuildCommand(), newLockCommand(), newListCommand(), newTrialCommand(), cli.NewVersionCommand("runtimes"))
	return root
}

func newBuildCommand() *cobra.Command {
	var (
		options recipe.Options
		only    []string
		format  cli.Format
	)
	command := &cobra.Command{
		Use:   "build",
		Short: "Build runtimes into an OCI image layout",
		RunE: func(command *cobra.Command, _ []string) error {
			if err := complete(&options); err != nil {
				return err
			}
			for _, version := range only {
				if version = strings.TrimSpace(version); version != "" {
					options.Versions = append(options.Versions, version)
				}
			}
			options.Log = command.ErrOrStderr()
			report, err := recipe.Build(command.Context(), options)
			if err != nil {
				return err
			}
			if format == cli.FormatJSON {
				return cli.PrintJSON(command.OutOrStdout(), report)
			}
			printReport(command, report)
			return nil
		},
	}
	flags := command.Flags()
	flags.StringVar(&options.Source, "source", "runtime", "folder of the recipe")
	flags.StringVar(&options.Cache, "cache", "", "folder for what is built once (default: below the user's cache folder)")
	flags.StringVar(&options.Layout, "layout", "", "OCI image layout to write (default: in the cache)")
	flags.StringSliceVar(&only, "only", nil, "versions to build, comma-separated (default: all)")
	cli.AddOutputFlag(command, &format)
	return command
}

// defaultFolders fills in the folders that were not named, which lie outside
// the checkout.
func defaultFolders(options *recipe.Options) error {
	if options.Cache == "" {
		cache, err := cachedir.Path("runtimes")
		if err != nil {
			return err
		}
		options.Cache = cache
	}
	if options.Layout == "" {
		options.Layout = filepath.Join(options.Cache, "layout")
	}
	return nil
}

// complete makes the options of a build ready: absolute folders, and a recipe
// that is there.
func complete(options *recipe.Options) error {
	if err := defaultFolders(options); err != nil {
		return err
	}
	for _, path := range []*string{&options.Source, &options.Cache, &options.Layout} {
		var err error
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	return checkSource(options.Source)
}

// checkSource wants the recipe to be where it is said to be.
func checkSource(folder string) error {
	if _, err := os.Stat(filepath.Join(folder, "releases.yaml")); err != nil {
		return cli.WithHint(fmt.Errorf("the recipe is not in %s: %w", folder, err), "run 'make runtimes' at the top of the checkout, or name the folder with --source")
	}
	return nil
}

func printReport(command *cobra.Command, report *recipe.Report) {
	out := command.OutOrStdout()
	for _, built := range report.Runtimes {
		state := ""
		if built.UpToDate {
			state = ", nothing changed"
		}
		_, _ = fmt.Fprintf(out, "\nRuntime %s (%s%s)\n", built.Version, built.Digest, state)
		table := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
		_, _ = fmt.Fprintln(table, "  LAYER\tCOMPONENTS\tSIZE\tUNCOMPRESSED")
		for _, layer := range built.Layers {
			_, _ = fmt.Fprintf(table, "  %s\t%s\t%s\t%s\n", layer.Name, layer.Components, megabytes(layer.Bytes), megabytes(layer.UncompressedBytes))
		}
		_, _ = fmt.Fprintf(table, "  total\t\t%s\t(%s not in the runtimes above)\n", megabytes(built.Bytes), megabytes(built.AddedBytes))
		_ = table.Flush()
	}
	_, _ = fmt.Fprintf(out, "\nruntimes in %s: %d, steps run: %d, in %.1f s\n", report.Layout, len(report.Runtimes), len(report.Steps), report.Seconds)
}

func megabytes(bytes int64) string {
	return fmt.Sprintf("%.2f MB", float64(bytes)/1e6)
}

func newLockCommand() *cobra.Command {
	var source string
	command := &cobra.Command{
		Use:   "lock",
		Short: "Lock the Debian packages to the versions that the mirrors have now",
		RunE: func(command *cobra.Command, _ []string) error {
			if err := checkSource(source); err != nil {
				return err
			}
			return recipe.Lock(command.Context(), source, command.ErrOrStderr())
		},
	}
	command.Flags().StringVar(&source, "source", "runtime", "folder of the recipe")
	return command
}

func newListCommand() *cobra.Command {
	var format cli.Format
	command := &cobra.Command{
		Use:   "list",
		Short: "List the runtimes of the catalogue",
		RunE: func(command *cobra.Command, _ []string) error {
			catalogue, err := runtime.Releases()
			if err != nil {
				return err
			}
			if format == cli.FormatJSON {
				return cli.PrintJSON(command.OutOrStdout(), catalogue.Releases)
			}
			table := tabwriter.NewWriter(command.OutOrStdout(), 2, 8, 2, ' ', 0)
			_, _ = fmt.Fprintln(table, "VERSION\tLTS\tUPGRADABLE FROM")
			for _, release := range catalogue.Releases {
				_, _ = fmt.Fprintf(table, "%s\t%t\t%s\n", release.Version, release.LTS, strings.Join(release.UpgradableFrom, ", "))
			}
			return table.Flush()
		},
	}
	cli.AddOutputFlag(command, &format)
	return command
}

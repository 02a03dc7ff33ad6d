// Command example-images builds the images of the example application.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/examples/image"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cachedir"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

func main() {
	// What is built must not depend on the user's umask.
	syscall.Umask(0o022)
	os.Exit(cli.Run(newRootCommand()))
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "example-images",
		Short: "Build the images of the example application",
	}
	root.AddCommand(newBuildCommand(), newServeCommand(), cli.NewVersionCommand("example-images"))
	return root
}

func newBuildCommand() *cobra.Command {
	var (
		options image.Options
		format  cli.Format
	)
	command := &cobra.Command{
		Use:   "build",
		Short: "Build the images into an OCI image layout",
		RunE: func(command *cobra.Command, _ []string) error {
			if err := complete(&options); err != nil {
				return err
			}
			options.Log = command.ErrOrStderr()
			report, err := image.Build(command.Context(), options)
			if err != nil {
				return err
			}
			if format == cli.FormatJSON {
				return cli.PrintJSON(command.OutOrStdout(), report)
			}
			return printReport(command, report)
		},
	}
	flags := command.Flags()
	flags.StringVar(&options.Source, "source", "examples/images", "folder of the programs")
	flags.StringVar(&options.Runtimes, "runtimes", "", "OCI image layout of the runtimes (default: in the cache)")
	flags.StringVar(&options.Layout, "layout", "", "OCI image layout to write (default: in the cache)")
	cli.AddOutputFlag(command, &format)
	return command
}

// complete fills in the folders that were not named, which lie in the cache.
func complete(options *image.Options) error {
	for user, folder := range map[string]*string{"runtimes": &options.Runtimes, "images": &options.Layout} {
		if *folder != "" {
			continue
		}
		cache, err := cachedir.Path(user)
		if err != nil {
			return err
		}
		*folder = filepath.Join(cache, "layout")
	}
	for _, folder := range []*string{&options.Source, &options.Runtimes, &options.Layout} {
		var err error
		if *folder, err = filepath.Abs(*folder); err != nil {
			return err
		}
	}
	return nil
}

func printReport(command *cobra.Command, report *image.Report) error {
	out := command.OutOrStdout()
	table := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "IMAGE\tDIGEST\tSIZE")
	for _, built := range report.Images {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%.2f MB\n", built.Name, built.Digest, float64(built.Bytes)/1e6)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	state := "built"
	if report.UpToDate {
		state = "nothing changed"
	}
	_, err := fmt.Fprintf(out, "\nimages in %s: %s\n", report.Layout, state)
	return err
}

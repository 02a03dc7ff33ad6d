package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/summary"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// inspectFlags are the flags of inspect.
type inspectFlags struct {
	format cli.Format
}

func newInspectCommand() *cobra.Command {
	var flags inspectFlags
	command := &cobra.Command{
		Use:   "inspect BUNDLE",
		Short: "Show what is in a bundle",
		Long: `Show what is in a bundle: the application, its Kubernetes, images and files.

BUNDLE is the tar of a bundle, or the folder that it was extracted to. However
large it is, only manifests are read; 'tele verify' reads all of it.

SIZE is all that an image or runtime consists of, as it lies in the bundle.
OWN is the part of it that nothing else in the bundle has: what the bundle would
be smaller without it.`,
		Example: `  tele inspect shop-1.2.3.tar
  tele inspect shop-1.2.3.tar -o json | jq -r '.images[].reference'`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeBundles(1),
		RunE: func(command *cobra.Command, args []string) error {
			return runInspect(command.Context(), command, flags, args[0])
		},
	}
	cli.AddOutputFlag(command, &flags.format)
	return command
}

func runInspect(ctx context.Context, command *cobra.Command, flags inspectFlags, path string) error {
	opened, err := openBundle(path)
	if err != nil {
		return err
	}
	defer opened.Close()
	described, err := summary.Of(ctx, opened)
	if err != nil {
		return damaged(err, path)
	}
	if flags.format == cli.FormatJSON {
		return cli.PrintJSON(command.OutOrStdout(), described)
	}
	return printSummary(command.OutOrStdout(), described)
}

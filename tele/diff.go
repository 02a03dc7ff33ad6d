package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/summary"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// diffFlags are the flags of diff.
type diffFlags struct {
	format cli.Format
}

func newDiffCommand() *cobra.Command {
	var flags diffFlags
	command := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Show how two bundles differ",
		Long: `Show how two bundles differ: versions, images, files, and the bytes that NEW has
and OLD has not, which a site with OLD lacks.

OLD and NEW are tars of bundles, or folders that they were extracted to. A
difference is no error: the exit code is 0. Images of the same repository count
as one that changed, if each bundle has one such image that the other has not.`,
		Example: `  tele diff shop-1.2.3.tar shop-1.3.0.tar
  tele diff shop-1.2.3.tar shop-1.3.0.tar -o json | jq .newSize`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: completeBundles(2),
		RunE: func(command *cobra.Command, args []string) error {
			return runDiff(command.Context(), command, flags, args[0], args[1])
		},
	}
	cli.AddOutputFlag(command, &flags.format)
	return command
}

func runDiff(ctx context.Context, command *cobra.Command, flags diffFlags, before, after string) error {
	old, err := openBundle(before)
	if err != nil {
		return err
	}
	defer old.Close()
	current, err := openBundle(after)
	if err != nil {
		return err
	}
	defer current.Close()
	difference, err := summary.Compare(ctx, old, current)
	if err != nil {
		return cli.WithHint(err, "'tele verify' tells which of the bundles is damaged")
	}
	if flags.format == cli.FormatJSON {
		return cli.PrintJSON(command.OutOrStdout(), difference)
	}
	return printDifference(command.OutOrStdout(), difference)
}

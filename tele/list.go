package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

func newListCommand() *cobra.Command {
	var flags hubFlags
	var format cli.Format
	command := &cobra.Command{
		Use:   "ls [HUB | PREFIX]",
		Short: "List the bundles of a hub",
		Long: `List the bundles of a hub, HOST or HOST/PATH, or those below a PATH of the hub that
is used. A registry that does not list its repositories lists a bundle whose PATH
is named. What is shown is what the hub says; 'tele pull --key' checks it.`,
		Example: `  tele ls
  tele ls hub.example.com/team -o json | jq -r '.bundles[].reference'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			named, err := chooseHub(args)
			if err != nil {
				return err
			}
			connection, err := flags.connect(nil)
			if err != nil {
				return err
			}
			defer connection.Close()
			found, err := connection.List(command.Context(), named)
			if err != nil {
				return err
			}
			listed := report.HubBundles{Hub: named, Bundles: []report.HubBundle{}}
			for _, one := range found {
				listed.Bundles = append(listed.Bundles, report.HubBundle(one))
			}
			if format == cli.FormatJSON {
				return cli.PrintJSON(command.OutOrStdout(), listed)
			}
			table := newTable(command.OutOrStdout())
			row(table, "TYPE", "NAME", "VERSION", "KUBERNETES", "SIZE", "REFERENCE")
			for _, one := range listed.Bundles {
				kind := "cluster"
				if one.Runtime == "" {
					kind = "application"
				}
				row(table, kind, oneLine(one.Name), oneLine(one.Version), oneLine(one.Runtime), formatSize(one.Size), one.Reference)
			}
			return table.Flush()
		},
	}
	flags.add(command, false)
	cli.AddOutputFlag(command, &format)
	return command
}

func newRemoveCommand() *cobra.Command {
	var flags hubFlags
	var format cli.Format
	command := &cobra.Command{
		Use:   "rm BUNDLE",
		Short: "Remove a bundle from a hub",
		Long: `Remove a bundle from a hub: NAME:VERSION of the hub that is used, or
HOST/PATH/NAME:VERSION. The hub frees the space when it collects its garbage. Some
hubs remove nothing, and this says so.`,
		Example: `  tele rm shop:1.2.3`,
		Args:    cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			reference, err := fullName(args[0])
			if err != nil {
				return err
			}
			if !hasVersion(reference) {
				return cli.Usagef("bundle %s: which version? write NAME:VERSION", args[0])
			}
			connection, err := flags.connect(nil)
			if err != nil {
				return err
			}
			defer connection.Close()
			removed, err := connection.Remove(command.Context(), reference)
			if err != nil {
				return err
			}
			if format == cli.FormatJSON {
				return cli.PrintJSON(command.OutOrStdout(), report.HubBundle(*removed))
			}
			_, err = fmt.Fprintf(command.OutOrStdout(), "Removed %s\n", removed.Reference)
			return err
		},
	}
	flags.add(command, false)
	cli.AddOutputFlag(command, &format)
	return command
}

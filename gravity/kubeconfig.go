package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/kubeconfig"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

func newKubeconfigCommand(g *globals) *cobra.Command {
	var request kubeconfig.Request
	var format cli.Format
	command := &cobra.Command{
		Use:   "kubeconfig",
		Short: "Make a kubeconfig that is good for some time, and print it",
		Long: `Make a kubeconfig that is good for some time, and print it.

It is for a user of any name, with the rights of its groups: admin, edit and
view have the roles of these names in all namespaces. It leads to this master,
and has a context for each of the others. It cannot be revoked before its time
is over.`,
		Example: `  gravity kubeconfig > admin.conf
  gravity kubeconfig --user=alice --group=view --ttl=8h > alice.conf`,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := request.Check(); err != nil {
				return cli.WithCode(err, cli.ExitUsage)
			}
			p, err := paths.New(g.stateDir)
			if err != nil {
				return err
			}
			made, err := kubeconfig.Make(command.Context(), p, request)
			if err != nil {
				return err
			}
			if format == cli.FormatJSON {
				return cli.PrintJSON(command.OutOrStdout(), made)
			}
			_, err = fmt.Fprint(command.OutOrStdout(), made.Kubeconfig)
			return err
		},
	}
	flags := command.Flags()
	flags.StringVar(&request.User, "user", kubeconfig.DefaultUser, "name of the user")
	flags.StringSliceVar(&request.Groups, "group", []string{kubeconfig.DefaultGroup}, "group of the user; may be repeated")
	flags.DurationVar(&request.Life, "ttl", defaultKubeconfigLife, "how long it is good")
	cli.AddOutputFlag(command, &format)
	return command
}

// defaultKubeconfigLife is a working day.
const defaultKubeconfigLife = 8 * time.Hour

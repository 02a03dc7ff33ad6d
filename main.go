// Command terraform-provider-gravity is the Terraform provider for Gravity
// clusters.
package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

func main() {
	os.Exit(cli.Run(newCommand()))
}

// errNotServing is what Terraform, or a person who started the plugin by hand,
// gets: without the plugin handshake Terraform fails with this message, where
// an empty provider would plan and apply nothing.
var errNotServing = errors.New("this build of the Gravity provider has no resources and does not serve Terraform yet")

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "terraform-provider-gravity",
		Short: "The Terraform provider for Gravity clusters, started by Terraform",
		RunE: func(*cobra.Command, []string) error {
			return cli.WithHint(errNotServing, "see 'terraform-provider-gravity --help' for what it does")
		},
	}
	root.AddCommand(cli.NewVersionCommand("terraform-provider-gravity"))
	return root
}

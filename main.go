// Command terraform-provider-gravity is the Terraform provider for Gravity
// clusters.
package main

import (
	"errors"
	"os"

	framework "github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/version"
	"github.com/gravity-platform/terraform-provider-gravity/provider"
	"github.com/gravity-platform/terraform-provider-gravity/provider/connection"
)

func main() {
	os.Exit(cli.Run(newCommand()))
}

// errByHand is what a person gets who starts the plugin.
var errByHand = errors.New("this is a plugin of Terraform, which starts it")

func newCommand() *cobra.Command {
	var debug bool
	root := &cobra.Command{
		Use:   "terraform-provider-gravity",
		Short: "The Terraform provider for Gravity clusters, started by Terraform",
		RunE: func(command *cobra.Command, _ []string) error {
			if !debug && os.Getenv(cookieVariable) != cookie {
				return cli.WithHint(errByHand, "name the provider in required_providers and run 'terraform init'; "+
					"--debug starts it for a debugger")
			}
			return serve(command, debug)
		},
	}
	root.Flags().BoolVar(&debug, "debug", false, "wait for a Terraform that is told to attach")
	root.AddCommand(cli.NewVersionCommand("terraform-provider-gravity"))
	return root
}

// Terraform sets the cookie, so that a plugin knows that it is one.
const (
	cookieVariable = "TF_PLUGIN_MAGIC_COOKIE"
	cookie         = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2"
)

// serve answers Terraform until it ends the plugin.
func serve(command *cobra.Command, debug bool) error {
	pool := connection.NewPool(connection.PoolOptions{})
	defer pool.Close()
	return providerserver.Serve(command.Context(), func() framework.Provider {
		return provider.New(version.Get().Version, pool)
	}, providerserver.ServeOpts{Address: provider.Address, ProtocolVersion: 6, Debug: debug})
}

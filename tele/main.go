// Command tele builds, inspects and moves Gravity bundles. It runs on laptops
// and in release pipelines, never on a cluster.
package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

func main() {
	os.Exit(cli.Run(newCommand()))
}

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "tele",
		Short: "Build and move Gravity bundles",
	}
	root.AddCommand(newBuildCommand(), newImagesCommand(), newInspectCommand(), newVerifyCommand(), newDiffCommand(),
		newKeyCommand(), newSignCommand(), newLoginCommand(), newLogoutCommand(), newStatusCommand(),
		newPushCommand(), newPullCommand(), newListCommand(), newRemoveCommand(), cli.NewVersionCommand("tele"))
	return root
}

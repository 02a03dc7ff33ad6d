// Command gravity installs and runs a cluster. It is shipped inside every
// bundle and runs on the cluster's nodes.
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
		Use:   "gravity",
		Short: "Install and run a Gravity cluster",
	}
	g := addGlobals(root)
	root.AddCommand(newInstallCommand(g), newJoinCommand(g), newTokenCommand(g), newExecCommand(g), newShellCommand(g), newEnterCommand(g))
	root.AddCommand(newSystemCommand(g), newAgentCommand(g), newLeaveCommand(g), newRemoveCommand(g))
	root.AddCommand(newStatusCommand(g), newCheckCommand(g), newKubeconfigCommand(g))
	root.AddCommand(newPlanCommand(g), newPlanResumeCommand(g), newRollbackCommand(g))
	root.AddCommand(cli.NewVersionCommand("gravity"))
	return root
}

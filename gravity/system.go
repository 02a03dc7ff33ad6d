package main

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/expand"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/install"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

func newSystemCommand(g *globals) *cobra.Command {
	command := &cobra.Command{Use: "system", Short: "Change what Gravity is on this machine"}
	command.AddCommand(newUninstallCommand(g), newPrepareCommand(g))
	return command
}

// newUninstallCommand puts this machine back.
func newUninstallCommand(g *globals) *cobra.Command {
	var confirmed bool
	command := &cobra.Command{
		Use:   "uninstall",
		Short: "Remove Gravity and all its data from this machine",
		RunE: func(command *cobra.Command, _ []string) error {
			if os.Geteuid() != 0 {
				return cli.WithHint(errors.New("gravity system uninstall needs root"), "run it with sudo")
			}
			if !confirmed {
				return cli.WithHint(cli.Usagef("this removes the node with all its data"), "repeat it with --confirm if you mean it")
			}
			p, err := paths.New(g.stateDir)
			if err != nil {
				return err
			}
			g.abandonJoins(command.Context(), p)
			return install.Remove(command.Context(), p)
		},
	}
	command.Flags().BoolVar(&confirmed, "confirm", false, "do it")
	return command
}

// abandonJoins tells masters that this machine does not join any more. That they
// do not hear it is no matter: after some time they know.
func (g *globals) abandonJoins(ctx context.Context, p paths.Paths) {
	ids, err := g.operations().List(ctx)
	if err != nil {
		return
	}
	for _, id := range ids {
		if found, err := g.operations().Read(ctx, id); err == nil && found.Active() {
			_ = expand.Abandon(ctx, p, found.Plan)
		}
	}
}

// newPrepareCommand is what the master container's unit calls before the
// container starts.
func newPrepareCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:    "prepare",
		Short:  "Write the master container's configuration for this machine",
		Hidden: true,
		RunE: func(*cobra.Command, []string) error {
			p, err := paths.New(g.stateDir)
			if err != nil {
				return err
			}
			n, err := node.Read(p)
			if err != nil {
				return err
			}
			return container.New(p).Prepare(n)
		},
	}
}

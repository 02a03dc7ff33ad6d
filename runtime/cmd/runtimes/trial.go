package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/lab"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
	"github.com/gravity-platform/terraform-provider-gravity/runtime/recipe"
	"github.com/gravity-platform/terraform-provider-gravity/runtime/trial"
)

func newTrialCommand() *cobra.Command {
	var (
		options recipe.Options
		name    string
		version string
	)
	command := &cobra.Command{
		Use:   "trial MACHINE...",
		Short: "Bring a runtime up on machines of a lab: a master, then workers",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, machines []string) error {
			ctx := command.Context()
			if err := defaultFolders(&options); err != nil {
				return err
			}
			if version == "" {
				catalogue, err := runtime.Releases()
				if err != nil {
					return err
				}
				version = catalogue.Releases[0].Version
			}
			artifact, err := trial.Open(options.Layout, version)
			if err != nil {
				return err
			}
			machinesOf, err := lab.Open(ctx, lab.Options{Name: name})
			if err != nil {
				return err
			}
			var members []*lab.Machine
			for _, machine := range machines {
				members = append(members, machinesOf.Machine(machine))
			}
			master, err := bringUp(ctx, artifact, members, command.ErrOrStderr())
			if err != nil {
				return err
			}
			nodes, err := master.Kubectl(ctx, "get", "nodes,pods", "-A", "-o", "wide")
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(command.OutOrStdout(), nodes)
			return err
		},
	}
	flags := command.Flags()
	flags.StringVar(&options.Layout, "layout", "", "OCI image layout of the runtimes (default: in the cache)")
	flags.StringVar(&name, "lab", "default", "lab of the machines")
	flags.StringVar(&version, "version", "", "runtime to use (default: the newest)")
	return command
}

// bringUp makes a cluster of machines, the first of which becomes its master.
func bringUp(ctx context.Context, artifact *trial.Artifact, machines []*lab.Machine, log io.Writer) (*trial.Node, error) {
	var master *trial.Node
	for _, machine := range machines {
		node, err := trial.Start(ctx, machine, artifact, log)
		if err != nil {
			return nil, err
		}
		if master == nil {
			master = node
			err = node.Init(ctx, artifact.Version)
		} else {
			err = node.Join(ctx, master)
		}
		if err != nil {
			node.Diagnose(ctx, log)
			return nil, fmt.Errorf("bring %s up: %w", machine.Name(), err)
		}
	}
	return master, nil
}

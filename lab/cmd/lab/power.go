package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

func newCutCommand(p *program) *cobra.Command {
	return newMachineCommand(p, "cut", "Take machines off the network",
		"Take machines off the network: packets from and to them vanish, as behind a broken switch.\n"+
			"'lab exec' still works. A machine stays cut off over restarts until 'lab heal'.",
		"is cut off", (*lab.Machine).Cut)
}

func newHealCommand(p *program) *cobra.Command {
	return newMachineCommand(p, "heal", "Put machines back on the network", "", "is connected", (*lab.Machine).Heal)
}

func newKillCommand(p *program) *cobra.Command {
	return newMachineCommand(p, "kill", "Power machines off without warning",
		"End all processes of machines at once, as a power failure does. Their disks stay.", "is off", (*lab.Machine).Kill)
}

func newStartCommand(p *program) *cobra.Command {
	return newMachineCommand(p, "start", "Boot machines that are off", "", "", (*lab.Machine).Start)
}

func newStopCommand(p *program) *cobra.Command {
	return newMachineCommand(p, "stop", "Shut machines down in an orderly way", "", "is off", (*lab.Machine).Stop)
}

// newMachineCommand does one thing with each of the named machines, at once,
// and says the result, unless the lab says it.
func newMachineCommand(p *program, verb, short, long, result string,
	do func(*lab.Machine, context.Context) error,
) *cobra.Command {
	return &cobra.Command{
		Use:               verb + " NAME...",
		Short:             short,
		Long:              long,
		Args:              machineArgs,
		ValidArgsFunction: p.completeMachines,
		RunE: func(command *cobra.Command, args []string) error {
			opened, err := p.open(command)
			if err != nil {
				return err
			}
			machines := make([]*lab.Machine, 0, len(args))
			for _, name := range args {
				machine := opened.Machine(name)
				// Before anything is done to the others.
				if _, err := machine.Status(command.Context()); err != nil {
					return err
				}
				machines = append(machines, machine)
			}
			errs := make([]error, len(machines))
			var group errgroup.Group
			for i, machine := range machines {
				group.Go(func() error {
					errs[i] = do(machine, command.Context())
					return nil
				})
			}
			_ = group.Wait()
			for i, machine := range machines {
				if errs[i] == nil && result != "" {
					fmt.Fprintf(command.ErrOrStderr(), "%s %s\n", machine.Name(), result)
				}
			}
			return errors.Join(errs...)
		},
	}
}

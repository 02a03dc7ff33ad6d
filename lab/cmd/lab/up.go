package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

func newUpCommand(p *program) *cobra.Command {
	var (
		format  cli.Format
		options lab.Options
		subnet  string
		size    = diskSize(lab.DefaultDiskSize)
		timeout time.Duration
	)
	command := &cobra.Command{
		Use:   "up [NAME...]",
		Short: "Make a lab and boot its machines",
		Long: `Make a lab and boot its machines, and wait until they answer by ssh.

The machines are node-1, node-2 and so on, or have the given names. Machines
are root file systems with systemd and sshd from Debian packages; root and
admin (who may sudo) log in with the lab's key. If 'lab up' is interrupted,
nothing is left.`,
		Example: `  lab up -n 3
  lab up --disk 40G master-1 worker-1
  lab --lab other up -n 1 -o json`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(command *cobra.Command, args []string) error {
			if len(args) > 0 {
				if command.Flags().Changed("machines") {
					return cli.Usagef("a lab has either names or a number of machines, not both")
				}
				options.Machines, options.Count = args, 0
			}
			if subnet != "" {
				prefix, err := netip.ParsePrefix(subnet)
				if err != nil {
					return cli.WithCode(fmt.Errorf("--subnet: %w", err), cli.ExitUsage)
				}
				options.Subnet = prefix
			}
			options.Name, options.Log, options.DiskSize = p.name, command.ErrOrStderr(), int64(size)
			ctx, cancel := context.WithTimeoutCause(command.Context(), timeout, fmt.Errorf("it takes longer than %s", timeout))
			defer cancel()
			return up(ctx, command, options, format)
		},
	}
	flags := command.Flags()
	flags.IntVarP(&options.Count, "machines", "n", 1, "number of machines")
	flags.Var(&size, "disk", "size of each machine's disk; it takes only what is written")
	flags.StringVar(&subnet, "subnet", "", "network of the lab, an IPv4 /24 (default: one that is free)")
	flags.StringSliceVar(&options.Packages, "packages", nil, "Debian packages of the machines (default: those of a minimal server)")
	flags.BoolVar(&options.NoDefaultRoute, "no-default-route", false, "give the machines no default gateway")
	flags.DurationVar(&timeout, "timeout", 15*time.Minute, "give up after this time")
	cli.AddOutputFlag(command, &format)
	return command
}

func up(ctx context.Context, command *cobra.Command, options lab.Options, format cli.Format) error {
	made, err := lab.New(ctx, options)
	if err != nil {
		return err
	}
	if err := made.Detach(ctx); err != nil {
		return errors.Join(err, made.Close(ctx))
	}
	status, err := made.Status(ctx)
	if err != nil {
		return err
	}
	return printLab(command.OutOrStdout(), status, format)
}

func newAddCommand(p *program) *cobra.Command {
	var format cli.Format
	var count int
	command := &cobra.Command{
		Use:               "add [NAME...]",
		Short:             "Add machines to the lab",
		Long:              "Add machines to the lab, with the given names or, without a name, the next free one, and boot them.",
		Example:           "  lab add\n  lab add -n 2\n  lab add worker-7",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(command *cobra.Command, args []string) error {
			switch {
			case len(args) > 0 && command.Flags().Changed("machines"):
				return cli.Usagef("add either names or a number of machines, not both")
			case count < 1:
				return cli.Usagef("cannot add %d machines", count)
			case len(args) == 0:
				args = make([]string, count)
			}
			opened, err := p.open(command)
			if err != nil {
				return err
			}
			added, err := opened.Add(command.Context(), args...)
			if err != nil {
				return err
			}
			status, err := opened.Status(command.Context())
			if err != nil {
				return err
			}
			return printMachines(command.OutOrStdout(), only(status.Machines, added), format)
		},
	}
	command.Flags().IntVarP(&count, "machines", "n", 1, "number of machines")
	cli.AddOutputFlag(command, &format)
	return command
}

func only(all []lab.MachineStatus, wanted []*lab.Machine) []lab.MachineStatus {
	var machines []lab.MachineStatus
	for _, machine := range wanted {
		for _, status := range all {
			if status.Name == machine.Name() {
				machines = append(machines, status)
			}
		}
	}
	return machines
}

func newDownCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:               "down",
		Short:             "Remove the lab with everything in it",
		Long:              "End all machines at once and remove them, disks included. It also removes what a killed lab has left.",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(command *cobra.Command, _ []string) error {
			found, err := lab.Remove(command.Context(), p.options(command))
			if err != nil {
				return err
			}
			what := "lab %s is gone\n"
			if !found {
				what = "there is no lab %s\n"
			}
			_, err = fmt.Fprintf(command.ErrOrStderr(), what, p.name)
			return err
		},
	}
}

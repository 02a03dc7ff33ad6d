package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

func newStatusCommand(p *program) *cobra.Command {
	var format cli.Format
	var all bool
	command := &cobra.Command{
		Use:   "status",
		Short: "Show the lab and its machines",
		Long: `Show the lab and its machines.

With -o json it prints the lab as one object; if there is no lab, an object
with an empty list of machines. With --all it prints a list of labs. No lab is
no error.`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(command *cobra.Command, _ []string) error {
			if all {
				return p.statusOfAll(command, format)
			}
			opened, err := p.open(command)
			if errors.Is(err, lab.ErrCrashed) && format == cli.FormatText {
				_, err := fmt.Fprintf(command.OutOrStdout(),
					"Lab %s has crashed. 'lab down' removes what is left of it, 'lab up' also makes it anew.\n", p.name)
				return err
			}
			if errors.Is(err, lab.ErrNotExist) {
				return printNone(command.OutOrStdout(), p.name, format)
			}
			if err != nil {
				return err
			}
			status, err := opened.Status(command.Context())
			if err != nil {
				return err
			}
			return printLab(command.OutOrStdout(), status, format)
		},
	}
	command.Flags().BoolVarP(&all, "all", "a", false, "show all labs of this host")
	cli.AddOutputFlag(command, &format)
	return command
}

func (p *program) statusOfAll(command *cobra.Command, format cli.Format) error {
	names, err := lab.List("")
	if err != nil {
		return err
	}
	labs := []lab.Status{}
	for _, name := range names {
		options := p.options(command)
		options.Name = name
		opened, err := lab.Open(command.Context(), options)
		if errors.Is(err, lab.ErrNotExist) {
			if errors.Is(err, lab.ErrCrashed) {
				fmt.Fprintf(command.ErrOrStderr(), "lab %s has crashed; 'lab --lab %s down' removes what is left\n", name, name)
			}
			continue
		}
		if err != nil {
			return err
		}
		status, err := opened.Status(command.Context())
		if err != nil {
			return err
		}
		labs = append(labs, status)
	}
	out := command.OutOrStdout()
	if format == cli.FormatJSON {
		return cli.PrintJSON(out, labs)
	}
	if len(labs) == 0 {
		_, err := fmt.Fprintln(out, "There is no lab.")
		return err
	}
	for i, status := range labs {
		if i > 0 {
			fmt.Fprintln(out)
		}
		if err := printLab(out, status, format); err != nil {
			return err
		}
	}
	return nil
}

func printNone(out io.Writer, name string, format cli.Format) error {
	if format == cli.FormatJSON {
		return cli.PrintJSON(out, struct {
			Name     string              `json:"name"`
			Machines []lab.MachineStatus `json:"machines"`
		}{name, []lab.MachineStatus{}})
	}
	_, err := fmt.Fprintf(out, "There is no lab %q. Make it with 'lab up -n 3'.\n", name)
	return err
}

func printLab(out io.Writer, status lab.Status, format cli.Format) error {
	if format == cli.FormatJSON {
		return cli.PrintJSON(out, status)
	}
	if !status.Subnet.IsValid() {
		_, err := fmt.Fprintf(out, "Lab %s is being made.\n", status.Name)
		return err
	}
	fmt.Fprintf(out, "Lab %s, network %s, this host is %s, up for %s\n",
		status.Name, status.Subnet, status.HostAddress, time.Since(status.Since).Round(time.Second))
	if status.Ending {
		fmt.Fprintln(out, "It is being taken down.")
	} else if status.Owned {
		fmt.Fprintln(out, "It ends with the process that made it.")
	}
	for _, warning := range status.Warnings {
		fmt.Fprintf(out, "Warning: %s\n", warning)
	}
	if err := printMachines(out, status.Machines, format); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "Log in with 'lab ssh NAME' or 'ssh -F %s NAME'.\n", status.SSHConfigFile)
	return err
}

func printMachines(out io.Writer, machines []lab.MachineStatus, format cli.Format) error {
	if format == cli.FormatJSON {
		return cli.PrintJSON(out, machines)
	}
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "NAME\tADDRESS\tSTATE\tNETWORK\tDISK\tBOOT\tNOTE")
	for _, machine := range machines {
		network := "connected"
		if !machine.Connected {
			network = "cut"
		}
		boot := "-"
		if machine.BootSeconds > 0 {
			boot = fmt.Sprintf("%.1fs", machine.BootSeconds)
		}
		line := fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s", machine.Name, machine.Address, machine.State, network,
			diskColumn(machine), boot, machine.Note)
		fmt.Fprintln(table, strings.TrimRight(line, "\t"))
	}
	return table.Flush()
}

// diskColumn shows what is written of how much.
func diskColumn(machine lab.MachineStatus) string {
	switch {
	case machine.Disk.Kind == "":
		return "-"
	case machine.Disk.Allocated == 0:
		return machine.Disk.Kind
	}
	return formatSize(machine.Disk.Allocated) + " of " + formatSize(machine.Disk.Size)
}

package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

// nameVariable selects the lab where --lab does not.
const nameVariable = "GRAVITY_LAB"

const defaultName = "default"

// program is what all commands share.
type program struct {
	name string
	// exitCode is that of a program which ran in a machine.
	exitCode int
}

func newRootCommand(p *program) *cobra.Command {
	root := &cobra.Command{
		Use:   "lab",
		Short: "Run real machines on this host",
		Long: `lab boots machines with systemd and sshd on this host, in seconds, each with a
disk, an address and cgroups of its own. They reach each other and this host,
and nothing else. 'lab down' leaves nothing of them.

A lab needs root and a kernel with overlay, bridges and namespaces. On Debian
it installs the programs that are missing and says so. The machines' root file
system is built once (about a minute) and kept in $GRAVITY_CACHE, else in
~/.cache/gravity.`,
		Example: `  lab up -n 3                      three machines: node-1, node-2, node-3
  lab ssh node-1                   log in
  lab exec node-2 -- journalctl    run a program without network and ssh
  lab cut node-3                   take it off the network; 'lab heal' undoes it
  lab kill node-3                  pull its plug; 'lab start' boots it again
  lab down                         remove everything`,
	}
	name := os.Getenv(nameVariable)
	if name == "" {
		name = defaultName
	}
	root.PersistentFlags().StringVar(&p.name, "lab", name, "name of the lab, $"+nameVariable)
	_ = root.RegisterFlagCompletionFunc("lab", func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		names, _ := lab.List("")
		return names, cobra.ShellCompDirectiveNoFileComp
	})
	root.AddCommand(
		newUpCommand(p), newAddCommand(p), newStatusCommand(p), newDownCommand(p),
		newSSHCommand(p), newExecCommand(p),
		newCutCommand(p), newHealCommand(p), newKillCommand(p), newStartCommand(p), newStopCommand(p),
		cli.NewVersionCommand("lab"),
	)
	return root
}

// open returns the lab that the flags name.
func (p *program) open(command *cobra.Command) (*lab.Lab, error) {
	return lab.Open(command.Context(), p.options(command))
}

func (p *program) options(command *cobra.Command) lab.Options {
	return lab.Options{Name: p.name, Log: command.ErrOrStderr()}
}

// completeMachines offers the names of the lab's machines.
func (p *program) completeMachines(command *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	opened, err := p.open(command)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []cobra.Completion
	for _, machine := range opened.Machines() {
		names = append(names, machine.Name())
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// machineArgs demands the name of a machine, as all such commands do.
func machineArgs(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New("which machine?")
	}
	return nil
}

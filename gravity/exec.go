package main

import (
	"errors"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// Exit codes of gravity exec if there is no such program, or it cannot be
// executed: those of shells.
const (
	exitNotExecutable = 126
	exitNoProgram     = 127
)

// newExecCommand is gravity exec (S65): flags after the command are the
// command's own.
func newExecCommand(g *globals) *cobra.Command {
	var tty, interactive bool
	command := &cobra.Command{
		Use:   "exec [-t] [-i] COMMAND [ARGUMENT...]",
		Short: "Run a command in the master container",
		Args:  cobra.MinimumNArgs(1),
		RunE:  func(_ *cobra.Command, args []string) error { return g.become(tty, args) },
	}
	flags := command.Flags()
	flags.SetInterspersed(false)
	flags.BoolVarP(&tty, "tty", "t", false, "give the command a terminal")
	flags.BoolVarP(&interactive, "interactive", "i", false, "pass standard input on, which is always done")
	return command
}

// newShellCommand is gravity shell (S64).
func newShellCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "shell",
		Short: "Start an interactive shell in the master container",
		RunE:  func(*cobra.Command, []string) error { return g.become(isTerminal(os.Stdin), []string{"/bin/bash"}) },
	}
}

// newEnterCommand is the original's other word for gravity exec.
func newEnterCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:    "enter [-- COMMAND [ARGUMENT...]]",
		Short:  "Enter the master container",
		Hidden: true,
		Args:   cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			args, tty := entering(args)
			return g.become(tty && isTerminal(os.Stdin), args)
		},
	}
}

// entering reads the original's words: [--notty] [COMMAND [--] [ARGUMENT...]].
func entering(words []string) (args []string, tty bool) {
	tty = true
	if len(words) > 0 && words[0] == "--notty" {
		words, tty = words[1:], false
	}
	switch {
	case len(words) == 0:
		return []string{"/bin/bash"}, tty
	case len(words) > 1 && words[1] == "--":
		words = slices.Delete(slices.Clone(words), 1, 2)
	}
	return words, tty
}

// become turns this process into a command inside the master container.
func (g *globals) become(tty bool, args []string) error {
	if os.Geteuid() != 0 {
		return cli.WithHint(errors.New("the master container is root's"), "run the command with sudo")
	}
	p, err := paths.New(g.stateDir)
	if err != nil {
		return err
	}
	if _, err := node.Read(p); err != nil {
		return err
	}
	if tty && !isTerminal(os.Stdin) {
		return cli.WithHint(errors.New("standard input is no terminal"), "leave --tty out, or run it from a terminal")
	}
	err = container.New(p).Become(tty, args...)
	switch {
	case errors.Is(err, container.ErrNoProgram):
		return cli.WithCode(err, exitNoProgram)
	case errors.Is(err, container.ErrNotExecutable):
		return cli.WithCode(err, exitNotExecutable)
	}
	return cli.WithHint(err, "see 'systemctl status %s'", container.Unit)
}

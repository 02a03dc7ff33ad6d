package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

func newSSHCommand(p *program) *cobra.Command {
	var user string
	command := &cobra.Command{
		Use:   "ssh NAME [-- COMMAND...]",
		Short: "Log in to a machine, or run a command there, by ssh",
		Long: `Log in to a machine, or run a command there, with the system's ssh client. The
host key is checked. The exit code is that of the command.

A single word is a line for the shell of the machine; several words arrive as
they are.`,
		Example: `  lab ssh node-1
  lab ssh node-1 -- systemctl status ssh
  lab ssh node-1 -- 'cd /tmp && ls | wc -l'
  lab ssh -l admin node-1 -- sudo id`,
		Args:              machineArgs,
		ValidArgsFunction: p.completeFirst,
		RunE: func(command *cobra.Command, args []string) error {
			opened, err := p.open(command)
			if err != nil {
				return err
			}
			status, err := opened.Machine(args[0]).Status(command.Context())
			if err != nil {
				return err
			}
			if status.State == lab.StateOff {
				return cli.WithHint(fmt.Errorf("machine %s is off", args[0]), "start it with 'lab start %s'", args[0])
			}
			if user == "" {
				user = status.User
			}
			return p.ssh(command.Context(), status, user, remoteWords(command, args))
		},
	}
	command.Flags().StringVarP(&user, "login", "l", "", "user to log in as, root or admin (default root)")
	command.Flags().SetInterspersed(false)
	return command
}

// ssh runs the client on this process's own files, so that it has a terminal
// if this process has one.
func (p *program) ssh(ctx context.Context, machine lab.MachineStatus, user string, words []string) error {
	arguments := append(lab.SSHArguments(machine, user), "-o", "LogLevel=ERROR")
	if len(words) > 0 && term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd())) {
		arguments = append(arguments, "-t")
	}
	arguments = append(arguments, "--", machine.Address.String())
	switch len(words) {
	case 0:
	case 1:
		arguments = append(arguments, words[0])
	default:
		arguments = append(arguments, lab.Quote(words...))
	}
	client := exec.CommandContext(ctx, "ssh", arguments...)
	client.Stdin, client.Stdout, client.Stderr = os.Stdin, os.Stdout, os.Stderr
	// The terminal's interrupt reaches the client directly.
	client.Cancel = func() error { return client.Process.Signal(os.Interrupt) }
	err := client.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		p.exitCode = exit.ExitCode()
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("run ssh: %w", err)
	}
	return nil
}

func newExecCommand(p *program) *cobra.Command {
	var user string
	var tty bool
	command := &cobra.Command{
		Use:   "exec NAME [-- COMMAND...]",
		Short: "Run a command in a machine without network and ssh",
		Long: `Run a command in a machine without network and ssh, as if the machine's init had
started it; without a command, a shell. The exit code is that of the command:
126 and 127 if it cannot be run, 128 and the signal's number if one ended it.`,
		Example: `  lab exec node-1 -- ip address
  lab exec -t node-1 -- journalctl -f
  lab exec node-1 -- sh -c 'cat > /root/file' < file`,
		Args:              machineArgs,
		ValidArgsFunction: p.completeFirst,
		RunE: func(command *cobra.Command, args []string) error {
			terminal := term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd()))
			if tty && !terminal {
				return cli.WithHint(cli.Usagef("-t: standard input and output are not a terminal"), "leave -t out")
			}
			words := remoteWords(command, args)
			if len(words) == 0 {
				words, tty = []string{"/bin/bash", "-l"}, terminal
			}
			opened, err := p.open(command)
			if err != nil {
				return err
			}
			_, err = opened.Machine(args[0]).Run(command.Context(), lab.Command{
				Args: words, User: user, TTY: tty, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
			})
			failed, ok := errors.AsType[*lab.CommandError](err)
			if ok && failed.ExitCode >= 0 && command.Context().Err() == nil {
				p.exitCode = failed.ExitCode
				return nil
			}
			return err
		},
	}
	command.Flags().StringVarP(&user, "login", "l", "", "user to run as (default root)")
	command.Flags().BoolVarP(&tty, "tty", "t", false, "give the command a terminal")
	command.Flags().SetInterspersed(false)
	return command
}

// remoteWords are those after the machine's name, and after "--" if it is
// there: flags behind the name belong to the command.
func remoteWords(_ *cobra.Command, args []string) []string {
	words := args[1:]
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	return words
}

// completeFirst offers machines for the first word only.
func (p *program) completeFirst(command *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return p.completeMachines(command, args, word)
}

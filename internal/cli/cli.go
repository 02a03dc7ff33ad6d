// Package cli is what the commands of all programs share: output formats,
// errors with hints, exit codes, signals, and the version command, so that the
// programs behave alike.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Run executes a program's root command and returns the exit code. The
// command's context is cancelled by the first SIGINT or SIGTERM; a second one
// ends the process at once.
func Run(root *cobra.Command) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return run(ctx, root, os.Args[1:])
}

// run is Run with its surroundings given: a cancelled context means that the
// user interrupted the program.
func run(ctx context.Context, root *cobra.Command, args []string) int {
	prepare(root)
	root.SetArgs(args)
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return ExitOK
	}
	err = interrupted(ctx, err)
	PrintError(root.ErrOrStderr(), requestedFormat(command, args), err)
	return ExitCode(err)
}

// interrupted marks an error that came of the user's signal, whatever it looks
// like: a cancelled context, a child that was killed, a connection that was
// closed. An error that already asks for an exit code knows better.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() == nil || askedCode(err) != 0 {
		return err
	}
	if errors.Is(err, ErrInterrupted) {
		return WithCode(err, ExitInterrupted)
	}
	return WithCode(fmt.Errorf("interrupted: %w", err), ExitInterrupted)
}

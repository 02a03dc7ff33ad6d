// Command gotest runs `go test`, prints what go test prints, and counts.
//
// Several runs make one account: a run appends every test's result to the file
// that $GOTEST_RECORD names, and `gotest summary` reads it. A test that one run
// skips (-short) and another passes has passed. Without that variable each run
// closes with its own count.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// recordVariable names the file to which results are appended.
const recordVariable = "GOTEST_RECORD"

func main() {
	os.Exit(cli.Run(newCommand()))
}

func newCommand() *cobra.Command {
	root := &cobra.Command{Use: "gotest", Short: "Run go test and count"}
	root.AddCommand(&cobra.Command{
		Use:                "run ARGUMENTS-OF-GO-TEST...",
		Short:              "Run go test with these arguments",
		DisableFlagParsing: true,
		Args:               cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			return run(command.Context(), command.OutOrStdout(), args)
		},
	}, &cobra.Command{
		Use:   "summary FILE",
		Short: "List the skipped and failed tests of all runs, and count",
		Args:  cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			results, err := readResults(args[0])
			if err != nil {
				return err
			}
			return merge(results).print(command.OutOrStdout())
		},
	})
	return root
}

// errTestsFailed is all that is said after a failure: go test said the rest.
var errTestsFailed = errors.New("go test failed")

func run(ctx context.Context, w io.Writer, args []string) error {
	results, testErr := goTest(ctx, w, args)
	if testErr != nil && !anyFailed(results) {
		// Nothing ran, as with a wrong flag: that must not look like success.
		results = append(results, result{Package: "go test " + strings.Join(args, " "), Status: failed})
	}
	if path := os.Getenv(recordVariable); path != "" {
		return errors.Join(testErr, appendResults(path, results))
	}
	return errors.Join(testErr, merge(results).print(w))
}

// goTest runs go test, in short form on w, and returns the results of all
// tests.
func goTest(ctx context.Context, w io.Writer, args []string) ([]result, error) {
	command := exec.CommandContext(ctx, "go", commandLine(args)...)
	command.Stderr = os.Stderr
	// A test that is asked to end can still remove its machines.
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	stdout, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start go test: %w", err)
	}
	reader := newReader(w)
	readErr := reader.read(stdout)
	err = command.Wait()
	if _, exited := errors.AsType[*exec.ExitError](err); exited {
		err = errTestsFailed
	}
	return reader.results, errors.Join(err, readErr)
}

// commandLine puts -json where go takes it: -C, if given, must stay first.
func commandLine(args []string) []string {
	line := []string{"test"}
	if len(args) >= 2 && args[0] == "-C" {
		line, args = append(line, args[:2]...), args[2:]
	}
	return append(append(line, "-json"), args...)
}

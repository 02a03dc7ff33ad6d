// Package cli is what the commands of all programs share: output formats,
// errors with hints, exit codes, signals, and the version command, so that the
// programs behave alike.
package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gravity-platform/terraform-provider-gravity/internal/version"
)

// Format is how a command prints its result on standard output. Everything
// that is not the result goes to standard error.
type Format string

// The formats of --output.
const (
	FormatText Format = "text"
	FormatJSON Format = "json"
)

var _ pflag.Value = (*Format)(nil)

// Set accepts "text" and "json".
func (f *Format) Set(value string) error {
	switch Format(value) {
	case FormatText, FormatJSON:
		*f = Format(value)
		return nil
	}
	return fmt.Errorf("%q is not a format, use %s or %s", value, FormatText, FormatJSON)
}

func (f *Format) String() string { return string(*f) }

// Type names the value in help texts.
func (f *Format) Type() string { return "text|json" }

// AddOutputFlag gives a command --output/-o, with text as the default.
func AddOutputFlag(command *cobra.Command, format *Format) {
	*format = FormatText
	command.Flags().VarP(format, "output", "o", "output format")
	_ = command.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(
		[]cobra.Completion{string(FormatText), string(FormatJSON)}, cobra.ShellCompDirectiveNoFileComp))
}

// PrintJSON writes a value as indented JSON.
func PrintJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// NewVersionCommand prints the build of the named program.
func NewVersionCommand(program string) *cobra.Command {
	var format Format
	command := &cobra.Command{
		Use:   "version",
		Short: "Print the version of " + program,
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			info := version.Get()
			if format == FormatJSON {
				return PrintJSON(command.OutOrStdout(), info)
			}
			_, err := fmt.Fprintf(command.OutOrStdout(), "%s %s (commit %s, %s, %s, %s)\n",
				program, info.Version, info.Commit, info.Date, info.Go, info.Platform)
			return err
		},
	}
	AddOutputFlag(command, &format)
	return command
}

// Run executes a program's root command and returns the exit code. The
// command's context is cancelled by the first SIGINT or SIGTERM; a second one
// ends the process at once.
func Run(root *cobra.Command) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	root.SilenceErrors = true
	root.SilenceUsage = true
	root.SetFlagErrorFunc(func(command *cobra.Command, err error) error {
		return WithHint(WithCode(err, ExitUsage), "see '%s --help'", command.CommandPath())
	})
	requireKnownCommands(root)
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return ExitOK
	}
	PrintError(root.ErrOrStderr(), requestedFormat(command), err)
	return ExitCode(err)
}

// requireKnownCommands makes a group of commands fail on a word that is not
// one of them, where cobra would print the help and succeed.
func requireKnownCommands(command *cobra.Command) {
	for _, child := range command.Commands() {
		requireKnownCommands(child)
	}
	if command.HasSubCommands() && !command.Runnable() {
		command.Args = cobra.ArbitraryArgs
		command.RunE = func(command *cobra.Command, args []string) error {
			if len(args) == 0 {
				return command.Help()
			}
			err := fmt.Errorf("%s: no such command %q", command.CommandPath(), args[0])
			hint := fmt.Sprintf("see '%s --help'", command.CommandPath())
			if similar := command.SuggestionsFor(args[0]); len(similar) > 0 {
				hint = "did you mean " + strings.Join(similar, " or ") + "?"
			}
			return WithHint(WithCode(err, ExitUsage), "%s", hint)
		}
		command.SuggestionsMinimumDistance = 2
	}
	if command.Args != nil {
		command.Args = usageArgs(command.Args)
	}
}

// usageArgs gives wrong positional arguments the exit code of usage errors.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		if err := check(command, args); err != nil {
			return WithHint(WithCode(err, ExitUsage), "usage: %s", command.UseLine())
		}
		return nil
	}
}

func requestedFormat(command *cobra.Command) Format {
	if flag := command.Flags().Lookup("output"); flag != nil {
		if format, ok := flag.Value.(*Format); ok {
			return *format
		}
	}
	return FormatText
}

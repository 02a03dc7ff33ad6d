package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// prepare makes a tree of commands strict: a word, flag or number of arguments
// that is not expected is a usage error (exit code 2) with a hint, where cobra
// would print a help text and succeed, or fail with exit code 1.
func prepare(root *cobra.Command) {
	root.SilenceErrors = true
	root.SilenceUsage = true
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(newHelpCommand())
	root.InitDefaultCompletionCmd()
	// A group is runnable only to report unknown words; its help should not
	// say so.
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(),
		"{{if .Runnable}}", "{{if and .Runnable (not .HasAvailableSubCommands)}}", 1))
	makeStrict(root)
}

func makeStrict(command *cobra.Command) {
	for _, child := range command.Commands() {
		makeStrict(child)
	}
	check := command.Args
	if check == nil {
		check = noArgs
	}
	if command.HasSubCommands() {
		command.SuggestionsMinimumDistance = 2
		check = knownCommand
		if !command.Runnable() {
			command.RunE = func(command *cobra.Command, _ []string) error { return command.Help() }
		}
	}
	command.Args = usageArgs(check)
}

// usageArgs gives wrong arguments, and flags that are missing or exclude each
// other, the exit code of usage errors. Cobra checks those flags after the
// arguments, without a way to tell the error from others.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		err := check(command, args)
		if err == nil {
			err = command.ValidateRequiredFlags()
		}
		if err == nil {
			err = command.ValidateFlagGroups()
		}
		if err == nil || askedCode(err) != 0 {
			return err
		}
		return WithHint(WithCode(fmt.Errorf("%s: %w", command.CommandPath(), err), ExitUsage),
			"usage: %s", command.UseLine())
	}
}

// noArgs is what commands accept that say nothing else.
func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unexpected argument %q", args[0])
	}
	return nil
}

// knownCommand refuses a word that is not one of a group's commands.
func knownCommand(group *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := WithCode(fmt.Errorf("%s: no such command %q", group.CommandPath(), args[0]), ExitUsage)
	if similar := group.SuggestionsFor(args[0]); len(similar) > 0 {
		separator := fmt.Sprintf("' or '%s ", group.CommandPath())
		return WithHint(err, "did you mean '%s %s'?", group.CommandPath(), strings.Join(similar, separator))
	}
	return WithHint(err, "see '%s --help'", group.CommandPath())
}

// flagError is about a flag that a command does not have, or its value. After
// a word that is no command, the word is the mistake.
func flagError(command *cobra.Command, err error) error {
	if command.HasSubCommands() {
		if err := knownCommand(command, command.Flags().Args()); err != nil {
			return err
		}
	}
	return WithHint(WithCode(fmt.Errorf("%s: %w", command.CommandPath(), err), ExitUsage),
		"see '%s --help'", command.CommandPath())
}

// newHelpCommand is `help [command]`, which fails where there is no such
// command.
func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [command]",
		Short: "Show the help of a command",
		RunE: func(help *cobra.Command, args []string) error {
			command, rest, err := help.Root().Find(args)
			if err != nil {
				return WithCode(err, ExitUsage)
			}
			if len(rest) > 0 && command.HasSubCommands() {
				return knownCommand(command, rest)
			}
			command.InitDefaultHelpFlag()
			return command.Help()
		},
		ValidArgsFunction: completeCommands,
	}
}

func completeCommands(help *cobra.Command, args []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var found []cobra.Completion
	if command, rest, err := help.Root().Find(args); err == nil && len(rest) == 0 {
		for _, child := range command.Commands() {
			if child.IsAvailableCommand() && strings.HasPrefix(child.Name(), prefix) {
				found = append(found, cobra.CompletionWithDesc(child.Name(), child.Short))
			}
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

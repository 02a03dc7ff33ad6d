package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// planOrder is the order of the subcommands; cobra sorts them by name.
var planOrder = []string{"display", "execute", "rollback", "resume", "complete"}

func inOrder(commands []*cobra.Command) []*cobra.Command {
	return slices.SortedFunc(slices.Values(commands), func(a, b *cobra.Command) int {
		return slices.Index(planOrder, a.Name()) - slices.Index(planOrder, b.Name())
	})
}

// planHelp prints the help of `gravity plan` in the words and the order of the
// guide (S47). The star marks what the command does without a subcommand.
func planHelp(command *cobra.Command, _ []string) {
	out := command.OutOrStdout()
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.AddFlag(command.Flags().Lookup("help"))
	flags.AddFlagSet(command.InheritedFlags())
	flags.AddFlagSet(command.LocalFlags())
	fmt.Fprintf(out, "usage: gravity %s\n\n%s\n\nFlags:\n%s\nSubcommands:\n", command.Use, command.Short, flags.FlagUsages())
	for i, child := range inOrder(command.Commands()) {
		name, words := child.Name(), ""
		if name == "display" {
			name += "*"
		}
		if child.HasAvailableLocalFlags() {
			words = " [<flags>]"
		}
		if i > 0 {
			fmt.Fprintln(out)
		}
		fmt.Fprintf(out, "  plan %s%s\n    %s\n", name, words, strings.TrimSpace(child.Short))
	}
}

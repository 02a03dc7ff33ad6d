package main

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// confirm asks a person whether to do something. Without one the answer is that
// --confirm is missing.
func confirm(command *cobra.Command, what, question string) error {
	if !isTerminal(command.InOrStdin()) {
		return cli.WithHint(cli.Usagef("%s: nobody is there to confirm it", what), "use --confirm")
	}
	fmt.Fprint(command.ErrOrStderr(), question)
	answer, err := bufio.NewReader(command.InOrStdin()).ReadString('\n')
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return fmt.Errorf("%s: not confirmed", what)
}

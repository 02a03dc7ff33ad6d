package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/internal/version"
)

// NewVersionCommand prints the build of the named program.
func NewVersionCommand(program string) *cobra.Command {
	var format Format
	command := &cobra.Command{
		Use:   "version",
		Short: "Print the version of " + program,
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

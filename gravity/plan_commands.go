package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
)

// phaseChange is a command about one phase.
type phaseChange struct {
	planChange
	phase string
	force bool
}

func (p *phaseChange) addFlags(command *cobra.Command, force string) {
	p.planChange.addFlags(command)
	command.Flags().StringVar(&p.phase, "phase", "", "absolute path of the phase, such as /masters/node-1/drain")
	command.Flags().BoolVar(&p.force, "force", false, force)
	_ = command.MarkFlagRequired("phase")
}

func newPlanExecuteCommand(g *globals) *cobra.Command {
	p := &phaseChange{planChange: planChange{globals: g}}
	command := &cobra.Command{
		Use:   "execute",
		Short: "Execute specified operation phase",
		RunE: func(command *cobra.Command, _ []string) error {
			return p.change(command, func(ctx context.Context, engine *operation.Engine) error {
				return engine.Execute(ctx, p.phase, p.force)
			})
		},
	}
	p.addFlags(command, "execute the phase whatever its state is and whatever it requires")
	return command
}

func newPlanRollbackCommand(g *globals) *cobra.Command {
	p := &phaseChange{planChange: planChange{globals: g}}
	command := &cobra.Command{
		Use:   "rollback",
		Short: "Rollback specified operation phase",
		RunE: func(command *cobra.Command, _ []string) error {
			return p.change(command, func(ctx context.Context, engine *operation.Engine) error {
				return engine.Rollback(ctx, p.phase, p.force)
			})
		},
	}
	p.addFlags(command, "roll back the phase even if phases that depend on it are not")
	return command
}

// newPlanResumeCommand is `gravity plan resume`, and `gravity resume`.
func newPlanResumeCommand(g *globals) *cobra.Command {
	p := &planChange{globals: g}
	command := &cobra.Command{
		Use:   "resume",
		Short: "Resume last aborted operation",
		RunE: func(command *cobra.Command, _ []string) error {
			return p.change(command, func(ctx context.Context, engine *operation.Engine) error {
				return engine.Resume(ctx)
			})
		},
	}
	p.addFlags(command)
	return command
}

func newPlanCompleteCommand(g *globals) *cobra.Command {
	p := &planChange{globals: g}
	command := &cobra.Command{
		Use:   "complete",
		Short: "Mark operation as completed",
		RunE: func(command *cobra.Command, _ []string) error {
			return p.change(command, func(ctx context.Context, engine *operation.Engine) error {
				_, err := engine.Complete(ctx)
				return err
			})
		},
	}
	p.addFlags(command)
	return command
}

package main

import (
	"context"
	"strings"

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
	_ = command.RegisterFlagCompletionFunc("phase", p.completePhase)
}

// completePhase offers the phases of the operation.
func (p *phaseChange) completePhase(command *cobra.Command, _ []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
	found, err := findOperation(command.Context(), p.operations(), p.operationID, false)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return completions(found.Plan.Phases, prefix), cobra.ShellCompDirectiveNoFileComp
}

func completions(phases []operation.Phase, prefix string) []cobra.Completion {
	var offered []cobra.Completion
	for _, phase := range phases {
		if strings.HasPrefix(phase.ID, prefix) {
			offered = append(offered, cobra.CompletionWithDesc(phase.ID, phase.Description))
		}
		offered = append(offered, completions(phase.Phases, prefix)...)
	}
	return offered
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

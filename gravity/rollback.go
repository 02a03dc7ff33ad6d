package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// rollsBack are the types of operations that are rolled back as a whole.
var rollsBack = []string{operation.TypeUpdate, operation.TypeUpdateEnviron, operation.TypeUpdateConfig}

// rollback is `gravity rollback` (S57).
type rollback struct {
	planChange
	dryRun  bool
	confirm bool
}

func newRollbackCommand(g *globals) *cobra.Command {
	r := &rollback{planChange: planChange{globals: g}}
	command := &cobra.Command{
		Use:   "rollback",
		Short: "Roll back all phases of the last operation",
		RunE:  r.run,
	}
	r.addFlags(command)
	command.Flags().BoolVar(&r.dryRun, "dry-run", false, "only show what would be rolled back")
	command.Flags().BoolVar(&r.confirm, "confirm", false, "do not ask")
	return command
}

func (r *rollback) run(command *cobra.Command, _ []string) error {
	found, err := findOperation(command.Context(), r.operations(), r.operationID, false)
	if err != nil {
		return err
	}
	plan := found.Plan
	if !slices.Contains(rollsBack, plan.OperationType) {
		return cli.WithHint(fmt.Errorf("Operation %q does not support automatic rollback", plan.OperationType), //nolint:staticcheck // the words users know
			"roll back its phases with 'gravity plan rollback --phase=PHASE', the last one first")
	}
	if !r.dryRun && !r.confirm {
		if err := r.ask(command, plan); err != nil {
			return err
		}
	}
	err = r.changeOperation(command, plan, func(ctx context.Context, engine *operation.Engine) error {
		if err := engine.RollbackAll(ctx, r.dryRun); err != nil || r.dryRun {
			return err
		}
		_, err := engine.Complete(ctx)
		return err
	})
	if err != nil {
		return err
	}
	return r.print(command, plan.OperationID)
}

// ask lets a person think again.
func (r *rollback) ask(command *cobra.Command, plan *operation.Plan) error {
	return confirm(command, "roll back operation "+plan.OperationID, fmt.Sprintf("You are about to roll back operation %s (%s) of cluster %s.\n"+
		"--dry-run shows what would be done. Proceed? (yes/no): ", plan.OperationID, plan.OperationType, plan.ClusterName))
}

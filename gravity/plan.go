package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation/display"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// Formats of plans besides text and JSON.
const (
	formatYAML  cli.Format = "yaml"
	formatShort cli.Format = "short"
)

// tailInterval is how often a plan that is followed is read.
const tailInterval = time.Second

func newPlanCommand(g *globals) *cobra.Command {
	show := &planDisplay{globals: g}
	plan := &cobra.Command{
		Use:   "plan [<flags>] <command> [<args> ...]",
		Short: "Manage operation plan",
		RunE:  show.run,
	}
	show.addFlags(plan)
	plan.SetHelpFunc(planHelp)
	displayCommand := &cobra.Command{
		Use:   "display",
		Short: "Display a plan for an ongoing operation",
		RunE:  show.run,
	}
	show.addFlags(displayCommand)
	plan.AddCommand(displayCommand, newPlanExecuteCommand(g), newPlanRollbackCommand(g), newPlanResumeCommand(g),
		newPlanCompleteCommand(g))
	for _, child := range plan.Commands() {
		// cobra gives a parent's help to its children.
		child.SetHelpFunc((&cobra.Command{}).HelpFunc())
	}
	return plan
}

// planDisplay is `gravity plan display` (S48).
type planDisplay struct {
	*globals
	operationID string
	format      cli.Format
	follow      bool
}

func (p *planDisplay) addFlags(command *cobra.Command) {
	addOperationFlag(command, &p.operationID)
	cli.AddOutputFlag(command, &p.format, formatYAML, formatShort)
	command.Flags().BoolVarP(&p.follow, "tail", "f", false, "follow the plan until it ends")
}

func (p *planDisplay) run(command *cobra.Command, _ []string) error {
	ctx, out, store := command.Context(), command.OutOrStdout(), p.operations()
	found, err := findOperation(ctx, store, p.operationID, true)
	if err != nil {
		return err
	}
	plan := found.Resolve()
	switch {
	case p.follow && p.format != cli.FormatText:
		return cli.Usagef("--tail prints lines, not %s", p.format)
	case p.follow:
		return display.Tail(ctx, out, store, plan.OperationID, tailInterval)
	case p.format == cli.FormatJSON:
		return display.JSON(out, plan)
	case p.format == formatYAML:
		return display.YAML(out, plan)
	}
	return display.Table(out, plan, display.Options{Short: p.format == formatShort, Color: colored(out)})
}

func addOperationFlag(command *cobra.Command, operationID *string) {
	command.Flags().StringVar(operationID, "operation-id", "", "operation, if several are active")
}

// findOperation finds the operation with an ID, or the only active one. Where
// nothing is changed it may be the last one that is over.
func findOperation(ctx context.Context, store operation.Store, operationID string, over bool) (*operation.Operation, error) {
	if operationID != "" {
		found, err := store.Read(ctx, operationID)
		if err != nil {
			return nil, fmt.Errorf("operation %s: %w", operationID, err)
		}
		return found, nil
	}
	all, err := operation.All(ctx, store)
	if err != nil {
		return nil, cli.WithHint(err, "choose another operation by --operation-id")
	}
	var active []*operation.Operation
	var names strings.Builder
	for _, one := range all {
		if one.Active() {
			active = append(active, one)
			fmt.Fprintf(&names, "\n\t%s (%s)", one.Plan.OperationID, one.Plan.OperationType)
		}
	}
	switch {
	case len(active) == 1:
		return active[0], nil
	case len(active) > 1:
		return nil, cli.WithHint(fmt.Errorf("there are multiple active operations:%s", names.String()), "choose one by --operation-id")
	case len(all) > 0 && over:
		return all[len(all)-1], nil
	case len(all) > 0:
		last := all[len(all)-1]
		return nil, fmt.Errorf("no active operation found, the last one (%s, %s) is %s",
			last.Plan.OperationID, last.Plan.OperationType, string(last.State()))
	}
	return nil, errNoOperation
}

// errNoOperation has the words that users know.
var errNoOperation = fmt.Errorf("no operation found.\n%s\n%s",
	"This usually means that the installation/join operation has failed to start or was not started.",
	"Clean up the node with `gravity leave` and start the operation with either `gravity install` or `gravity join`.")

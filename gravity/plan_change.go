package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/rpc"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
	"github.com/gravity-platform/terraform-provider-gravity/internal/version"
)

// planChange is what the commands have in common that change the state of an
// operation.
type planChange struct {
	*globals
	operationID      string
	format           cli.Format
	timeout          time.Duration
	skipVersionCheck bool
	// steps tells about phases by what they do instead of their IDs.
	steps bool
	// only is the type of the operations that the command changes; empty for all.
	only string
}

func (p *planChange) addFlags(command *cobra.Command) {
	addOperationFlag(command, &p.operationID)
	cli.AddOutputFlag(command, &p.format)
	flags := command.Flags()
	flags.DurationVar(&p.timeout, "timeout", operation.DefaultTimeout, "how long a phase may take")
	flags.BoolVar(&p.skipVersionCheck, "skip-version-check", false, "execute the plan of another version of gravity")
	for _, name := range []string{"timeout", "skip-version-check"} {
		_ = flags.MarkHidden(name)
	}
}

// change opens the operation, lets a function change it, and prints what it is
// then.
func (p *planChange) change(command *cobra.Command, change func(context.Context, *operation.Engine) error) error {
	ctx := command.Context()
	found, err := findOperation(ctx, p.operations(), p.operationID, false)
	if err != nil {
		return err
	}
	if kind := found.Plan.OperationType; p.only != "" && p.only != kind {
		return cli.WithHint(fmt.Errorf("operation %s is of another type, %s", found.Plan.OperationID, kind),
			"go on with it with 'gravity plan resume --operation-id=%s'", found.Plan.OperationID)
	}
	if err := p.changeOperation(command, found.Plan, change); err != nil {
		return err
	}
	return p.print(command, found.Plan.OperationID)
}

func (p *planChange) changeOperation(command *cobra.Command, plan *operation.Plan,
	change func(context.Context, *operation.Engine) error,
) (err error) {
	if !p.skipVersionCheck {
		if err := checkVersion(plan, version.Get().Version); err != nil {
			return err
		}
	}
	// Certificates are read when another node is needed.
	remote := rpc.NewRemote(certificate.FilesOf(paths.Paths{Root: p.stateDir}))
	defer func() { err = errors.Join(err, remote.Close()) }()
	engine, err := operation.Open(command.Context(), operation.Config{
		Store:     p.operations(),
		Executors: p.executors(plan.OperationType),
		Remote:    remote,
		Observe:   newPhasePrinter(command, p.format, p.quiet, p.steps, plan.OperationID).print,
		Log:       p.log(command, p.format),
		Timeout:   p.timeout,
	}, plan.OperationID)
	if err != nil {
		if errors.Is(err, operation.ErrLocked) {
			err = cli.WithHint(err, "follow it with 'gravity plan --tail --operation-id=%s'", plan.OperationID)
		}
		return err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	return change(command.Context(), engine)
}

func (p *planChange) executors(operationType string) operation.Executors {
	if newExecutors, known := executors[operationType]; known {
		return newExecutors(p.stateDir)
	}
	return func(context.Context, *operation.Plan, operation.Phase, operation.Logger) (operation.Executor, error) {
		return nil, fmt.Errorf("this gravity does not execute operations of type %q", operationType)
	}
}

// print prints the state of the operation: for a person only when it is over.
func (p *planChange) print(command *cobra.Command, operationID string) error {
	stored, err := p.operations().Read(command.Context(), operationID)
	if err != nil {
		return err
	}
	out := command.OutOrStdout()
	switch {
	case p.format == cli.FormatJSON:
		return cli.PrintJSON(out, report.Operation{
			ID: operationID, Type: stored.Plan.OperationType, Cluster: stored.Plan.ClusterName, State: string(stored.State()),
		})
	case p.quiet || stored.Active():
		return nil
	}
	_, err = fmt.Fprintf(out, "Operation %s is %s\n", operationID, string(stored.State()))
	return err
}

// checkVersion refuses a plan that another version of gravity made, whose phases
// this one may not know, or know as something else.
func checkVersion(plan *operation.Plan, current string) error {
	wanted := plan.GravityVersion()
	if wanted == "" || wanted == current {
		return nil
	}
	return cli.WithHint(fmt.Errorf("Current operation plan should be executed with the gravity binary of version %q "+ //nolint:staticcheck // the words users know
		"while this binary is of version %q.", wanted, current),
		"use the gravity of the bundle that the operation was started from")
}

package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

// phasePrinter tells how an operation goes on: a person by a line for each phase
// that begins, a program by an object on standard error for each that begins or
// ends.
type phasePrinter struct {
	print func(operation.Event)

	operationID string
	out         io.Writer
}

func newPhasePrinter(command *cobra.Command, format cli.Format, quiet, steps bool, operationID string) *phasePrinter {
	p := &phasePrinter{operationID: operationID, out: command.OutOrStdout()}
	switch {
	case quiet:
		p.print = func(operation.Event) {}
	case format == cli.FormatJSON:
		p.out = command.ErrOrStderr()
		p.print = p.object
	case steps:
		p.print = p.step
	default:
		p.print = p.line
	}
	return p
}

func (p *phasePrinter) line(event operation.Event) {
	if event.State != operation.InProgress {
		return
	}
	words, on := "Executing", "on remote node"
	if event.Action == operation.ActionRollback {
		words, on = "Rolling back", "on node"
	}
	if event.DryRun {
		words = "[DRY-RUN] " + words
	}
	where := "locally"
	if event.Server != nil {
		where = on + " " + event.Server.Hostname
	}
	fmt.Fprintf(p.out, "%s %q %s\n", words, event.Phase.ID, where)
}

// step tells a person about an installation: a line for each phase that ends,
// with its description and how long it took.
func (p *phasePrinter) step(event operation.Event) {
	switch event.State {
	case operation.Completed:
		fmt.Fprintf(p.out, "[%2d/%d] %s (%.1f s)\n", event.Index, event.Total, event.Phase.Description, event.Elapsed.Seconds())
	case operation.Failed:
		fmt.Fprintf(p.out, "[%2d/%d] %s: failed after %.1f s\n", event.Index, event.Total, event.Phase.Description, event.Elapsed.Seconds())
	}
}

func (p *phasePrinter) object(event operation.Event) {
	object := report.PhaseProgress{
		OperationID: p.operationID,
		Phase:       event.Phase.ID,
		Description: event.Phase.Description,
		Action:      string(event.Action),
		State:       string(event.State),
		Index:       event.Index,
		Total:       event.Total,
		Seconds:     event.Elapsed.Seconds(),
		DryRun:      event.DryRun,
	}
	if event.Server != nil {
		object.Node = event.Server.Hostname
	}
	if event.Err != nil {
		object.Error = event.Err.Error()
	}
	// Whoever listens may be gone; the operation goes on.
	_ = json.NewEncoder(p.out).Encode(map[string]report.PhaseProgress{"phase": object})
}

package main

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// TestLeaveHolds keeps what is being executed from being removed, and lets nothing begin
// meanwhile. What has only not ended is in nobody's way.
func TestLeaveHolds(t *testing.T) {
	g := &globals{stateDir: t.TempDir(), quiet: true}
	p := paths.Paths{Root: g.stateDir}
	plan := &operation.Plan{
		OperationID: "one", OperationType: operation.TypeInstall, ClusterName: "c",
		Phases: []operation.Phase{{ID: "/checks", Executor: "checks"}},
	}
	if err := g.operations().Create(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	journal, err := g.operations().Open(t.Context(), "one")
	if err != nil {
		t.Fatal(err)
	}
	wiped := 0
	l := &leave{departure: departure{globals: g, force: true, confirmed: true}}
	l.wipe = func(ctx context.Context, _ paths.Paths, _ io.Writer, _ logger) error {
		wiped++
		if _, err := g.operations().Open(ctx, "one"); !errors.Is(err, operation.ErrLocked) {
			t.Errorf("while the machine is cleaned, the operation can be executed: %v", err)
		}
		return nil
	}
	command := &cobra.Command{}
	command.SetContext(t.Context())
	if err := l.leaveNothing(command, p); !errors.Is(err, operation.ErrLocked) || wiped > 0 {
		t.Errorf("while the operation is executed: %v, removed %d times", err, wiped)
	}
	if err := journal.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.leaveNothing(command, p); err != nil || wiped != 1 {
		t.Errorf("when it has stopped: %v, removed %d times", err, wiped)
	}
	if journal, err = g.operations().Open(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	if err := journal.Close(); err != nil {
		t.Error(err)
	}
}

package main

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/rpc"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
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
	l := &leave{departure: departure{globals: g, force: true, confirmed: true, format: cli.FormatJSON}}
	l.wipe = func(ctx context.Context, _ paths.Paths, _ io.Writer, _ logger) error {
		wiped++
		if _, err := g.operations().Open(ctx, "one"); !errors.Is(err, operation.ErrLocked) {
			t.Errorf("while the machine is cleaned, the operation can be executed: %v", err)
		}
		return nil
	}
	command, out := &cobra.Command{}, &strings.Builder{}
	command.SetContext(t.Context())
	command.SetOut(out)
	if err := l.leaveNothing(command, p); !errors.Is(err, operation.ErrLocked) || wiped > 0 {
		t.Errorf("while the operation is executed: %v, removed %d times", err, wiped)
	}
	if err := journal.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.leaveNothing(command, p); err != nil || wiped != 1 {
		t.Errorf("when it has stopped: %v, removed %d times", err, wiped)
	}
	const object = `{"id":"","type":"operation_shrink","cluster":"","state":"completed"}`
	if got := strings.Join(strings.Fields(out.String()), ""); got != object {
		t.Errorf("it prints %s", got)
	}
	if journal, err = g.operations().Open(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	if err := journal.Close(); err != nil {
		t.Error(err)
	}
}

// TestLeaveCluster asks masters until one answers, and removes what is on this machine by
// force only if none does, or the cluster does not know the node.
func TestLeaveCluster(t *testing.T) {
	const removed = "shrink-1"
	unsure, unreachable := errors.New("the API does not answer"), &rpc.UnreachableError{Err: errors.New("no route")}
	refused, busy := rpc.Refuse(errors.New("no quorum")), rpc.Refuse(cli.Busy(errors.New("shrinking")))
	for _, test := range []struct {
		name    string
		answers []error // nil is that the node is being removed
		force   bool
		asked   int
		wiped   bool
		want    string // what is printed, or the error with its hints
		code    int
		kept    bool
	}{
		{"the first", []error{nil, nil}, false, 1, false, removed, cli.ExitOK, false},
		{"one that cannot reach this node", []error{nil}, true, 1, false, "node-3 does not answer, and keeps its software and data", cli.ExitOK, true},
		{"the second, as the first is silent", []error{unreachable, nil}, true, 2, false, removed, cli.ExitOK, false},
		{"the second, as the first cannot find out", []error{unsure, nil}, true, 2, false, removed, cli.ExitOK, false},
		{"nobody", []error{unsure, unreachable}, false, 2, false, "master 192.0.2.1: the API does not answer", cli.ExitFailed, false},
		{"nobody, by force", []error{unsure, unreachable}, true, 2, true, "", cli.ExitOK, false},
		{"refused", []error{unreachable, refused, nil}, false, 2, false, "no quorum", cli.ExitFailed, false},
		{"refused, by force", []error{refused, nil}, true, 1, false, "gravity system uninstall --confirm", cli.ExitFailed, false},
		{"busy, by force", []error{unsure, busy}, true, 2, false, "shrinking", cli.ExitBusy, false},
		{"no member", []error{unsure, rpc.ErrNotMember}, false, 2, false, "not a part of the running cluster", cli.ExitFailed, false},
		{"no member, by force", []error{rpc.ErrNotMember, nil}, true, 1, true, "", cli.ExitOK, false},
	} {
		asked, wiped := 0, false
		l := &leave{departure: departure{globals: &globals{stateDir: t.TempDir(), quiet: true}, force: test.force, confirmed: true}}
		l.wipe = func(context.Context, paths.Paths, io.Writer, logger) error { wiped = true; return nil }
		var masters []netip.Addr
		for i := range test.answers {
			masters = append(masters, netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}))
		}
		l.depart = func(context.Context, paths.Paths, netip.Addr, rpc.Departure) (*rpc.Departing, error) {
			asked++
			return &rpc.Departing{OperationID: removed, Kept: test.kept}, test.answers[asked-1]
		}
		command, out := &cobra.Command{}, &strings.Builder{}
		command.SetContext(t.Context())
		command.SetOut(out)
		command.SetErr(out)
		err := l.leaveCluster(command, paths.Paths{Root: l.stateDir}, &node.Node{Name: "node-3", Cluster: "c"}, masters)
		said := strings.Join(append(cli.Hints(err), out.String()), "\n")
		if err != nil {
			said += err.Error()
		}
		if asked != test.asked || wiped != test.wiped || cli.ExitCode(err) != test.code || !strings.Contains(said, test.want) {
			t.Errorf("%s: asked %d, removed %t, exit code %d, said %q", test.name, asked, wiped, cli.ExitCode(err), said)
		}
	}
}

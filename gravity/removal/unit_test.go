package removal

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube/kubetest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// TestRecordedSilent says what to do about an API that does not answer, and only then.
func TestRecordedSilent(t *testing.T) {
	p := paths.Paths{Root: t.TempDir()}
	kubetest.Lead(t, p, "http://127.0.0.1:1")
	master := &node.Node{Name: "node-1", Master: true}
	_, err := recorded(t.Context(), p, master, 10*time.Millisecond)
	if hints := strings.Join(cli.Hints(err), "\n"); err == nil || !strings.Contains(hints, "etcd may have lost its quorum") {
		t.Errorf("%v, hints %q", err, hints)
	}
	interrupted := errors.New("interrupted")
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(interrupted)
	if _, err := recorded(ended, p, master, time.Minute); !errors.Is(err, interrupted) || len(cli.Hints(err)) > 0 {
		t.Errorf("when it is interrupted: %v, hints %q", err, cli.Hints(err))
	}
	_, _, p = newAPI(t) // it answers that there is no record
	if _, err := recorded(t.Context(), p, master, time.Minute); err == nil || len(cli.Hints(err)) > 0 {
		t.Errorf("without a record: %v, hints %q", err, cli.Hints(err))
	}
	if r, err := recorded(t.Context(), p, &node.Node{}, time.Minute); r != nil || err != nil {
		t.Errorf("a worker reads %v, %v", r, err)
	}
}

// TestRemoves lets a node have only that operation go on that removes it.
func TestRemoves(t *testing.T) {
	_, _, p := newAPI(t)
	plan := newPlan(t, "", false)
	store := storeOf(t, p, plan, operation.InProgress)
	for _, test := range []struct {
		node, id string
		want     bool
	}{
		{"node-3", "shrink-1", true},
		{"192.0.2.3", "shrink-1", true},
		{"node-2", "shrink-1", false},
		{"node-3", "shrink-2", false},
	} {
		if got, err := removes(t.Context(), store, test.node, test.id); got != test.want || err != nil {
			t.Errorf("%s removes %s: %t, %v", test.id, test.node, got, err)
		}
	}
	enter(t, store, plan, operation.OperationPhase, operation.Completed, nil)
	if got, err := removes(t.Context(), store, "node-3", "shrink-1"); got || err != nil {
		t.Errorf("when it is over: %t, %v", got, err)
	}
}

package removal

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation/disk"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/rpc"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// newPlan is that of node-1 to remove node-3, a worker, by operation shrink-1.
func newPlan(t *testing.T, earlier string, force bool) *operation.Plan {
	t.Helper()
	c := describeCluster("MMW")
	c.earlier = earlier
	plan, err := c.plan("shrink-1", "1.0.0", c.members[0].Server, c.members[2], force, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// claimed is the record of a cluster from which node-1 removes a node.
func claimed(operationID, node string) map[string]any {
	return map[string]any{
		"state": stateShrinking, "operation": operationID,
		leavingKey: `{"node":{"nodename":"` + node + `"},"lead":{"nodename":"node-1"}}`,
	}
}

// TestClaim claims the record for the removal of node-3 as the record is, and as it
// becomes when another writer comes first.
func TestClaim(t *testing.T) {
	free := map[string]any{"state": "active"}
	for _, test := range []struct {
		name           string
		before, middle map[string]any
		earlier        string
		force          bool
		removed        time.Duration
		err            string
		code           int
	}{
		{"free", free, nil, "", false, 0, "", 0},
		{"degraded", map[string]any{"state": "degraded"}, nil, "", false, 0, "", 0},
		{"its own", claimed("shrink-1", "node-3"), nil, "", false, 0, "", 0},
		{"taken over", claimed("shrink-0", "node-3"), nil, "shrink-0", false, 0, "", 0},
		{"another node's", claimed("shrink-0", "node-2"), nil, "", true, 0, "cannot remove a node: the cluster is shrinking", cli.ExitBusy},
		{"another operation's", claimed("shrink-0", "node-3"), nil, "", true, 0, "the cluster is shrinking", cli.ExitBusy},
		{"another came first", free, claimed("shrink-0", "node-2"), "", true, 0, "the cluster is shrinking", cli.ExitBusy},
		{"another takes over", claimed("shrink-0", "node-3"), claimed("shrink-2", "node-3"), "shrink-0", true, 0, "the cluster is shrinking", cli.ExitBusy},
		{"of somebody", map[string]any{"state": "shrinking"}, nil, "", true, 0, "the cluster is shrinking", cli.ExitBusy},
		{"updating", map[string]any{"state": "updating"}, nil, "", true, 0, "the cluster is updating", cli.ExitFailed},
		{"removed since", free, nil, "", true, time.Minute, "does not remove node node-3 any more", cli.ExitFailed},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, _, p := newAPI(t)
			store, plan := disk.New(p.Operations()), newPlan(t, test.earlier, test.force)
			a.PutData("cluster", test.before)
			a.PutData("removed-nodes", map[string]any{"node-3": plan.CreatedAt.Add(test.removed).Format(time.RFC3339)})
			a.Before = func(request string) {
				if strings.HasPrefix(request, "PUT") && test.middle != nil {
					a.Before = nil
					a.PutData("cluster", test.middle)
				}
			}
			err := keep(t.Context(), p, store, plan)
			ids, _ := store.List(t.Context())
			if test.err == "" {
				if got := a.Value("cluster", "operation"); err != nil || got != "shrink-1" || a.Value("cluster", "state") != stateShrinking || len(ids) != 1 {
					t.Errorf("%v; the operation is %q, plans %s", err, got, ids)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.err) || cli.ExitCode(err) != test.code || !errors.Is(err, rpc.ErrRefused) {
				t.Errorf("%v with exit code %d", err, cli.ExitCode(err))
			}
			if a.Value("cluster", "operation") == "shrink-1" || len(ids) != 0 {
				t.Errorf("what was refused has left plans %s, and the record says %s", ids, a.Value("cluster", "operation"))
			}
		})
	}
}

// TestClaimWhileMasterJoins refuses a removal while another node becomes a master, also one
// that comes in between; what was begun before goes on.
func TestClaimWhileMasterJoins(t *testing.T) {
	joins := func(name string) map[string]any {
		return map[string]any{"join-1": `{"name":"` + name + `","master":true,"heard":"` + time.Now().Format(time.RFC3339) + `"}`}
	}
	for _, test := range []struct {
		name         string
		record       map[string]any
		before, late string // who joins
		refused      bool
	}{
		{"before", map[string]any{"state": "degraded"}, "node-4", "", true},
		{"in between", map[string]any{"state": "degraded"}, "", "node-4", true},
		{"the node that leaves", map[string]any{"state": "degraded"}, "node-3", "", false},
		{"begun before", claimed("shrink-1", "node-3"), "node-4", "", false},
	} {
		a, _, p := newAPI(t)
		a.PutData("cluster", test.record)
		if test.before != "" {
			a.PutData("joins", joins(test.before))
		}
		a.Before = func(request string) {
			if strings.HasPrefix(request, "PUT") && test.late != "" {
				a.Before = nil
				a.PutData("joins", joins(test.late))
			}
		}
		err := keep(t.Context(), p, disk.New(p.Operations()), newPlan(t, "", true))
		if refused := cli.ExitCode(err) == cli.ExitBusy && errors.Is(err, rpc.ErrRefused); refused != test.refused || !refused && err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if state := a.Value("cluster", "state"); (state == "degraded") != test.refused {
			t.Errorf("%s: the cluster is %s", test.name, state)
		}
	}
}

// TestClaimUndone puts the record back when the plan cannot be stored.
func TestClaimUndone(t *testing.T) {
	a, _, p := newAPI(t)
	full := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(full, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, before := range []map[string]any{{"state": "degraded"}, claimed("shrink-0", "node-3")} {
		a.PutData("cluster", before)
		err := keep(t.Context(), p, disk.New(filepath.Join(full, "operations")), newPlan(t, "shrink-0", false))
		operationID, _ := before["operation"].(string)
		if err == nil || a.Value("cluster", "state") != before["state"] || a.Value("cluster", "operation") != operationID {
			t.Errorf("%v; the cluster is %s by %q", err, a.Value("cluster", "state"), a.Value("cluster", "operation"))
		}
	}
}

// TestClaimAgain claims the record for an operation that was begun, and ends one that
// has come to nothing and is refused.
func TestClaimAgain(t *testing.T) {
	for _, test := range []struct {
		name   string
		init   operation.State
		record map[string]any
		// active is how the operation is then, operation whose the record is.
		active    bool
		operation string
	}{
		{"unclaimed", operation.Unstarted, map[string]any{"state": "active"}, true, "shrink-1"},
		{"refused", operation.Failed, claimed("shrink-0", "node-2"), false, "shrink-0"},
		{"its own", operation.InProgress, claimed("shrink-1", "node-3"), true, "shrink-1"},
		// It may have given the record up, by its last phase.
		{"further on", operation.Completed, map[string]any{"state": "active"}, true, ""},
	} {
		a, _, p := newAPI(t)
		store := storeOf(t, p, newPlan(t, "", true), test.init)
		a.PutData("cluster", test.record)
		found, err := store.Read(t.Context(), "shrink-1")
		if err != nil {
			t.Fatal(err)
		}
		if err := again(t.Context(), p, store, found); errors.Is(err, rpc.ErrRefused) == test.active {
			t.Errorf("%s: %v", test.name, err)
		}
		if found, err = store.Read(t.Context(), "shrink-1"); err != nil || found.Active() != test.active || a.Value("cluster", "operation") != test.operation {
			t.Errorf("%s: active %t, the record is of %q, %v", test.name, found.Active(), a.Value("cluster", "operation"), err)
		}
	}
}

// storeOf keeps a plan whose first phase has a state.
func storeOf(t *testing.T, p paths.Paths, plan *operation.Plan, first operation.State) *disk.Store {
	t.Helper()
	store := disk.New(p.Operations())
	if err := store.Create(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	enter(t, store, plan, plan.Phases[0].ID, first, nil)
	return store
}

// enter adds a state to the changelog of an operation.
func enter(t *testing.T, store *disk.Store, plan *operation.Plan, phaseID string, state operation.State, failure *operation.Failure) {
	t.Helper()
	if state == operation.Unstarted {
		return
	}
	journal, err := store.Open(t.Context(), plan.OperationID)
	if err == nil {
		err = journal.Append(t.Context(), operation.Entry{
			ID: phaseID + string(state), Epoch: 1, Sequence: uint64(time.Now().UnixNano()), ClusterName: plan.ClusterName,
			OperationID: plan.OperationID, PhaseID: phaseID, NewState: state, Created: time.Now(), Error: failure,
		})
	}
	if err == nil {
		err = journal.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

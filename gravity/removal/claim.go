package removal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/bootstrap"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/member"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation/disk"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/rpc"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// states are those in which a node may be removed (S55).
var states = []string{"", cluster.StateActive, "degraded"}

// busy is why a node cannot be removed while the cluster is in a state. The record may
// be nil.
func busy(state string, r *record, node string) error {
	err := fmt.Errorf("cannot remove a node: the cluster is %s", state)
	if state == stateShrinking {
		err = cli.Busy(err)
	}
	err = rpc.Refuse(err)
	if r == nil || r.leaving == nil {
		return cli.WithHint(err, "see 'gravity plan' on the masters, and resume the operation that has not ended")
	}
	leaving, lead := r.leaving.Node.Nodename, r.leaving.Lead.Nodename
	if lead == node {
		return cli.WithHint(err, "node %[1]s is being removed by operation %[2]s of master %[3]s; "+
			"end that first with 'gravity remove %[1]s' on another master, which takes it over if %[3]s does not answer", leaving, r.operation, lead)
	}
	return cli.WithHint(err, "node %[1]s is being removed by operation %[2]s of master %[3]s; end that with 'gravity remove %[1]s' on any master",
		leaving, r.operation, lead)
}

// claim makes the record this operation's, which keeps others from changing the
// cluster, or says who has it. Repeated, it changes nothing. What it returns puts back
// what the record said before.
func (e *environment) claim(ctx context.Context) (undo func(context.Context) error, err error) {
	client, err := e.client()
	if err != nil {
		return nil, err
	}
	s := &e.settings
	removals, err := member.Removals(ctx, client)
	if err != nil {
		return nil, err
	}
	var before record
	var fresh bool
	err = changeRecord(ctx, client, func(r *record) error {
		before = *r
		mine := r.operation == e.operationID
		takes := r.state == stateShrinking && s.Earlier != "" && r.operation == s.Earlier
		fresh = !mine && !takes
		if !mine && s.outdated(e.plan, removals[s.Node.Nodename]) {
			return rpc.Refuse(e.lost(r))
		}
		if fresh && !slices.Contains(states, r.state) {
			return busy(r.state, r, s.Node.Nodename)
		}
		r.state, r.operation = stateShrinking, e.operationID
		r.leaving = &departing{Node: s.Node, Lead: s.Lead, Began: e.plan.CreatedAt}
		if fresh {
			return checkJoins(ctx, client, s.Node.Nodename)
		}
		return nil
	})
	undo = func(ctx context.Context) error { return e.restore(ctx, client, before) }
	if err != nil || !fresh {
		return undo, err
	}
	// A master that asks from now on is refused, one that asked before is seen now.
	if err := checkJoins(ctx, client, s.Node.Nodename); err != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
		defer cancel()
		return nil, errors.Join(err, undo(ctx))
	}
	return undo, nil
}

// checkJoins fails while another node is becoming a master: it starts its member of etcd
// with the members that it was told of, which none may leave meanwhile.
func checkJoins(ctx context.Context, client *kube.Client, leaving string) error {
	name, err := bootstrap.JoiningMaster(ctx, client, leaving)
	if err != nil || name == "" {
		return err
	}
	return rpc.Refuse(cli.WithHint(cli.Busy(fmt.Errorf("cannot remove a node: master %s is joining", name)),
		"try again when it has joined, or give its join up with 'gravity leave --force' on it; its place is free ten minutes after it was heard from last"))
}

// restore lets the record say again what it did before it was claimed.
func (e *environment) restore(ctx context.Context, client *kube.Client, before record) error {
	return changeRecord(ctx, client, func(r *record) error {
		if r.operation == e.operationID {
			r.state, r.operation, r.leaving = before.state, before.operation, before.leaving
		}
		return nil
	})
}

// forgive takes the failure out of the record, before who waits for the operation could
// read it. Given up by its last phase, the record is not its own any more.
func (e *environment) forgive(ctx context.Context) error {
	client, err := e.client()
	if err != nil {
		return err
	}
	return changeRecord(ctx, client, func(r *record) error {
		if r.operation == e.operationID && r.leaving != nil {
			r.leaving.Failure = ""
		}
		return nil
	})
}

// environmentOf is what the executors of a plan know.
func environmentOf(p paths.Paths, plan *operation.Plan) (*environment, error) {
	e := &environment{paths: p, plan: plan, operationID: plan.OperationID}
	if err := plan.Phases[0].Decode(&e.settings); err != nil {
		return nil, fmt.Errorf("operation %s: %w", plan.OperationID, err)
	}
	return e, nil
}

// undoTimeout is how long it may take to give a claim up, also when the command was
// interrupted.
const undoTimeout = 30 * time.Second

// keep claims the record for a new plan and stores that: of two removals at the same
// time, one is refused before it has begun, and leaves no plan.
func keep(ctx context.Context, p paths.Paths, store *disk.Store, plan *operation.Plan) error {
	e, err := environmentOf(p, plan)
	if err != nil {
		return err
	}
	undo, err := e.claim(ctx)
	if err != nil {
		return err
	}
	if err := store.Create(ctx, plan); err != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
		defer cancel()
		return errors.Join(err, undo(ctx))
	}
	return nil
}

// again claims the record for an operation that goes on, without the failure of its
// last attempt. One that has not come further than that ends if it is refused: nobody
// has a use for its plan.
func again(ctx context.Context, p paths.Paths, store *disk.Store, found *operation.Operation) error {
	e, err := environmentOf(p, found.Plan)
	if err != nil {
		return err
	}
	if found.Resolve().Phases[0].State == operation.Completed {
		return e.forgive(ctx) // its phases make sure that the record is still its own
	}
	_, err = e.claim(ctx)
	if !errors.Is(err, rpc.ErrRefused) {
		return err
	}
	if endErr := abandon(ctx, store, found.Plan.OperationID); !errors.Is(endErr, operation.ErrLocked) {
		err = errors.Join(err, endErr)
	}
	return err
}

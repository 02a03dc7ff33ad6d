package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/provider/access"
	masters "github.com/gravity-platform/terraform-provider-gravity/provider/cluster"
	machine "github.com/gravity-platform/terraform-provider-gravity/provider/node"
	"github.com/gravity-platform/terraform-provider-gravity/provider/operation"
)

// Create has the machine join, or waits for the join of an earlier Create.
func (r *nodeResource) Create(ctx context.Context, request resource.CreateRequest, response *resource.CreateResponse) {
	ctx = r.reach.Mask(ctx)
	var m model
	response.Diagnostics.Append(request.Plan.Get(ctx, &m)...)
	limit, problems := m.Timeouts.Create(ctx, createTimeout)
	response.Diagnostics.Append(problems...)
	if response.Diagnostics.HasError() {
		return
	}
	result := r.bringIn(ctx, &m, limit)
	switch result.Status {
	case operation.Refused:
		access.AddError(&response.Diagnostics, "Cannot join node to cluster", result.Err)
		return
	case operation.Failed:
		access.AddError(&response.Diagnostics, "Node has not joined", cli.WithHint(result.Err,
			"remove the cause; the next apply removes what there is of the node, and has the machine join again"))
	case operation.Running:
		warnRunning(&response.Diagnostics, &m, result)
	}
	response.Diagnostics.Append(response.State.Set(ctx, &m)...)
	response.Diagnostics.Append(response.Identity.Set(ctx, m.identity())...)
}

func warnRunning(diagnostics *diag.Diagnostics, m *model, result operation.Result) {
	access.AddWarning(diagnostics, "Join goes on", cli.WithHint(
		fmt.Errorf("the machine %s joins cluster %s, and Terraform does not wait for it any more: %w", m.address(), m.Cluster.ValueString(), result.Err),
		"apply again: that waits for its end; 'gravity plan' on the machine shows how far it is"))
}

// bringIn makes the machine a node and fills in the state. If it is Refused,
// nothing was done.
func (r *nodeResource) bringIn(ctx context.Context, m *model, limit time.Duration) operation.Result {
	refused := func(err error) operation.Result { return operation.Result{Status: operation.Refused, Err: err} }
	done, err := r.reach.Join(ctx, m.Cluster.ValueString())
	if err != nil {
		return refused(err)
	}
	o, release, err := r.join(m)
	if err != nil {
		done()
		return refused(err)
	}
	defer release()
	budget, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it has not ended after %s", limit))
	defer cancel()
	stale, err := r.inspect(budget, m, o)
	done()
	if err != nil {
		return refused(err)
	}
	if stale != nothing {
		if err := r.clear(ctx, m, o, stale); err != nil {
			return refused(err)
		}
	}
	if done, err = r.reach.Join(ctx, m.Cluster.ValueString()); err != nil {
		return refused(err)
	}
	defer done()
	result := r.queue(ctx, m, o, limit)
	if result.Status != operation.Refused {
		r.conclude(ctx, m, o, result)
	}
	return result
}

// What is in the way of a join.
type obstacle int

const (
	nothing obstacle = iota
	// replaced: the cluster has a node of the address, and the machine knows nothing
	// of it.
	replaced
	// removed: the machine was a node, and the cluster has removed it.
	removed
)

// inspect finds out what is in the way.
func (r *nodeResource) inspect(ctx context.Context, m *model, o *operation.Operation) (obstacle, error) {
	state, err := o.Machine.State(ctx, o.Key)
	if err != nil || state == machine.StateRunning || state == machine.StateInterrupted {
		return nothing, err
	}
	if err := o.Check(ctx); err != nil {
		return nothing, err
	}
	plan, err := o.Plan(ctx)
	if err != nil && !errors.Is(err, operation.ErrNoPlan) {
		return nothing, err
	}
	found, findErr := masters.Find(ctx, r.reach, m.Cluster.ValueString(), m.others())
	if findErr != nil {
		return nothing, findErr
	}
	defer found.Release()
	node, isMember := found.Member(m.address())
	switch absent := err != nil; {
	case isMember && absent && node.Status != masters.StatusOffline:
		return nothing, cli.WithHint(fmt.Errorf("cluster %s has a node of the address %s, which answers, and %s is not it",
			m.Cluster.ValueString(), m.address(), o.Machine), "check advertise_address and ssh.host")
	case isMember && absent:
		return replaced, nil
	case !isMember && !absent && operation.Examine(plan).Status == operation.Completed:
		return removed, nil
	}
	return nothing, nil
}

// clear removes what is in the way of a join.
func (r *nodeResource) clear(ctx context.Context, m *model, o *operation.Operation, stale obstacle) error {
	done, err := r.reach.Leave(ctx, m.Cluster.ValueString())
	if err != nil {
		return err
	}
	defer done()
	if stale == removed {
		tflog.Info(ctx, "the machine has remains of a node that the cluster has removed", map[string]any{"machine": o.Machine.String()})
		return operation.Wipe(ctx, o.Machine, m.Cluster.ValueString(), "")
	}
	found, err := masters.Find(ctx, r.reach, m.Cluster.ValueString(), m.others())
	if err != nil {
		return err
	}
	defer found.Release()
	tflog.Info(ctx, "the machine was replaced: remove the node that it was", map[string]any{"address": m.address()})
	return operation.Remove(ctx, found.Node, m.address(), true)
}

// queuePause is how long a join waits for others, and queueLimit for how long.
const (
	queuePause = 3 * time.Second
	queueLimit = 2 * time.Hour
)

// queue joins. While the cluster lets other nodes in, it tries again, and the limit
// does not count.
func (r *nodeResource) queue(ctx context.Context, m *model, o *operation.Operation, limit time.Duration) operation.Result {
	for queued := time.Now(); ; {
		limited, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it has not ended after %s", limit))
		result := r.attempt(limited, m, o)
		cancel()
		if result.Status != operation.Busy {
			return result
		}
		if time.Since(queued) > queueLimit {
			return operation.Result{Status: operation.Refused, Err: fmt.Errorf("it was not its turn within %s: %w", queueLimit, result.Err)}
		}
		tflog.Info(ctx, "wait for other nodes", map[string]any{"machine": o.Machine.String()})
		select {
		case <-ctx.Done():
			return operation.Result{Status: operation.Refused, Err: errors.Join(context.Cause(ctx), result.Err)}
		case <-time.After(queuePause):
		}
	}
}

// attempt starts the join, unless it was started, and waits for its end.
func (r *nodeResource) attempt(ctx context.Context, m *model, o *operation.Operation) operation.Result {
	refused := func(err error) operation.Result { return operation.Result{Status: operation.Refused, Err: err} }
	state, err := o.Machine.State(ctx, o.Key)
	if err != nil {
		return refused(err)
	}
	if state == machine.StateEnded {
		plan, err := o.Plan(ctx)
		if err != nil && !errors.Is(err, operation.ErrNoPlan) {
			return refused(err)
		}
		if err != nil || operation.Examine(plan).Status != operation.Completed {
			if err := o.Forget(ctx); err != nil {
				return refused(err)
			}
			state = machine.StateAbsent
		}
	}
	if state == machine.StateAbsent || state == machine.StateInterrupted {
		revoke, err := r.start(ctx, m, o)
		if revoke != nil {
			defer revoke()
		}
		if err != nil {
			return refused(err)
		}
	}
	return o.Wait(ctx, access.NewLines(ctx, "join"))
}

package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/provider/access"
	masters "github.com/gravity-platform/terraform-provider-gravity/provider/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/provider/connection"
	machine "github.com/gravity-platform/terraform-provider-gravity/provider/node"
	"github.com/gravity-platform/terraform-provider-gravity/provider/operation"
)

// Delete removes the node from the cluster, on a master that stays, and the cluster
// from the machine.
func (r *nodeResource) Delete(ctx context.Context, request resource.DeleteRequest, response *resource.DeleteResponse) {
	ctx = r.reach.Mask(ctx)
	var m model
	response.Diagnostics.Append(request.State.Get(ctx, &m)...)
	limit, problems := m.Timeouts.Delete(ctx, deleteTimeout)
	response.Diagnostics.Append(problems...)
	if response.Diagnostics.HasError() || m.OnDestroy.ValueString() == destroyAbandon {
		return
	}
	done, err := r.reach.Leave(ctx, m.Cluster.ValueString())
	if err != nil {
		access.AddError(&response.Diagnostics, "Cannot remove node", err)
		return
	}
	defer done()
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it has not ended after %s", limit))
	defer cancel()
	if err := r.remove(ctx, &m); err != nil {
		access.AddError(&response.Diagnostics, "Cannot remove node", err)
	}
}

func (r *nodeResource) remove(ctx context.Context, m *model) error {
	if m.OperationStatus.ValueString() == operation.Running {
		// What still runs cannot be removed.
		if o, release, err := r.join(m); err == nil {
			o.Wait(ctx, access.NewLines(ctx, "join"))
			release()
		}
	}
	found, err := masters.Find(ctx, r.reach, m.Cluster.ValueString(), m.others())
	if errors.Is(err, masters.ErrAbsent) {
		return r.wipe(ctx, m)
	}
	if err != nil {
		return cli.WithHint(err, "another master has to remove a node; on_destroy = \"abandon\", applied before, only forgets it")
	}
	defer found.Release()
	node, isMember := found.Member(m.address())
	if !isMember {
		return r.wipe(ctx, m)
	}
	offline := node.Status == masters.StatusOffline
	force := offline || m.OnDestroy.ValueString() == destroyForce
	if err := operation.Remove(ctx, found.Node, m.address(), force); err != nil {
		if !force {
			err = cli.WithHint(err, "on_destroy = \"force\", applied before, is that --force: it waits neither for pods nor for hooks")
		}
		return err
	}
	if offline {
		return nil
	}
	reached, release, err := r.reach.Reach(m.self().Settings(), machine.Options{})
	if err != nil {
		return err
	}
	defer release()
	return passing(ctx, reached.WaitGone(ctx))
}

// wipe removes what is left on a machine that is no node of the cluster any more.
func (r *nodeResource) wipe(ctx context.Context, m *model) error {
	o, release, err := r.join(m)
	if err != nil {
		return err
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, deleteTimeout)
	defer cancel()
	plan, err := o.Plan(ctx)
	switch {
	case err == nil && plan.ClusterName != m.Cluster.ValueString():
		return nil // it belongs to somebody else now
	case err != nil && !errors.Is(err, operation.ErrNoPlan):
		return passing(ctx, err)
	}
	return passing(ctx, operation.Wipe(ctx, o.Machine, m.Cluster.ValueString(), o.Program))
}

// passing lets a machine that cannot be reached be: the cluster does not know it any
// more, which is what counts.
func passing(ctx context.Context, err error) error {
	_, unreachable := errors.AsType[*connection.UnreachableError](err)
	_, changed := errors.AsType[*connection.ChangedHostKeyError](err)
	if !unreachable && !changed {
		return err
	}
	tflog.Warn(ctx, "the machine keeps what it has of the cluster", map[string]any{"error": err.Error()})
	return nil
}

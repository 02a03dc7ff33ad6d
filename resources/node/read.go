package node

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/gravity-platform/terraform-provider-gravity/provider/access"
	masters "github.com/gravity-platform/terraform-provider-gravity/provider/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/provider/connection"
	machine "github.com/gravity-platform/terraform-provider-gravity/provider/node"
	"github.com/gravity-platform/terraform-provider-gravity/provider/operation"
)

// Read asks any living master. A node is only gone if the cluster says so.
func (r *nodeResource) Read(ctx context.Context, request resource.ReadRequest, response *resource.ReadResponse) {
	ctx = r.reach.Mask(ctx)
	var m model
	response.Diagnostics.Append(request.State.Get(ctx, &m)...)
	if response.Diagnostics.HasError() {
		return
	}
	gone, err := r.read(ctx, &m)
	switch {
	case gone:
		tflog.Warn(ctx, "the cluster has no such node any more", map[string]any{"cluster": m.Cluster.ValueString(), "address": m.address()})
		response.State.RemoveResource(ctx)
		// The framework wants one of what has gone, too.
		response.Diagnostics.Append(response.Identity.Set(ctx, m.identity())...)
	case err != nil:
		access.AddError(&response.Diagnostics, "Cannot read node", err)
	default:
		response.Diagnostics.Append(response.State.Set(ctx, &m)...)
		response.Diagnostics.Append(response.Identity.Set(ctx, m.identity())...)
	}
}

// read tells whether the node has gone.
func (r *nodeResource) read(ctx context.Context, m *model) (gone bool, err error) {
	imported := m.Cluster.IsNull()
	found, err := masters.Find(ctx, r.reach, m.Cluster.ValueString(), m.known())
	if err != nil {
		return errors.Is(err, masters.ErrAbsent) && !imported, err
	}
	defer found.Release()
	if imported {
		m.Cluster = types.StringValue(found.Status.Cluster.Domain)
		m.OperationStatus = types.StringValue(operation.Completed)
	}
	m.Masters = masters.ToList(found.Masters(m.known()))
	isMember := m.refresh(found)
	if m.OperationStatus.ValueString() != operation.Completed {
		return r.readJoin(ctx, m, isMember)
	}
	if !isMember {
		return true, nil
	}
	node, _ := found.Member(m.address())
	m.Membership = types.StringValue(member)
	if node.Status == masters.StatusOffline && r.isAnother(ctx, m) {
		m.Membership = types.StringValue(lost)
	}
	return false, nil
}

// readJoin asks the machine how far the join is.
func (r *nodeResource) readJoin(ctx context.Context, m *model, isMember bool) (gone bool, err error) {
	o, release, err := r.join(m)
	if err != nil {
		return false, err
	}
	defer release()
	plan, err := o.Plan(ctx)
	if errors.Is(err, operation.ErrNoPlan) {
		state, err := o.Machine.State(ctx, o.Key)
		return err == nil && state != machine.StateRunning && !isMember, err
	}
	if err != nil || plan.ClusterName != m.Cluster.ValueString() {
		return false, err
	}
	result := operation.Examine(plan)
	m.OperationID = types.StringValue(result.ID)
	if result.Status == operation.Completed {
		m.OperationStatus = types.StringValue(operation.Completed)
	}
	return false, nil
}

// lookTimeout is how long a machine is asked whether it is the node that is
// offline.
const lookTimeout = 30 * time.Second

// isAnother tells whether another machine has the address of a node that is
// offline: it has another host key, or knows nothing of the cluster. One that does
// not answer is not another.
func (r *nodeResource) isAnother(ctx context.Context, m *model) bool {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	reached, release, err := r.reach.Reach(m.self().Settings(), machine.Options{})
	if err != nil {
		return false
	}
	defer release()
	_, err = reached.Status(ctx)
	changed, ok := errors.AsType[*connection.ChangedHostKeyError](err)
	return masters.NotInstalled(err) || ok && !changed.Revoked
}

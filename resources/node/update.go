package node

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/gravity-platform/terraform-provider-gravity/provider/access"
	"github.com/gravity-platform/terraform-provider-gravity/provider/operation"
)

// ValidateConfig finds what is wrong with what is known.
func (r *nodeResource) ValidateConfig(ctx context.Context, request resource.ValidateConfigRequest, response *resource.ValidateConfigResponse) {
	var ssh types.Object
	response.Diagnostics.Append(request.Config.GetAttribute(ctx, path.Root("ssh"), &ssh)...)
	access.AddProblems(&response.Diagnostics, access.NewSettings(ssh).Check())
}

// ModifyPlan plans to go on with a join that has not ended, and to recover a node
// whose machine was replaced.
func (r *nodeResource) ModifyPlan(ctx context.Context, request resource.ModifyPlanRequest, response *resource.ModifyPlanResponse) {
	if request.Plan.Raw.IsNull() || request.State.Raw.IsNull() {
		return
	}
	var plan, before model
	response.Diagnostics.Append(request.Plan.Get(ctx, &plan)...)
	response.Diagnostics.Append(request.State.Get(ctx, &before)...)
	if response.Diagnostics.HasError() || before.settled() {
		return
	}
	if before.Membership.ValueString() == lost {
		response.Diagnostics.AddWarning("Node will be recovered", "Another machine has the address "+before.address()+" than the one that joined cluster "+
			before.Cluster.ValueString()+". The node that is offline will be removed from the cluster for good, and the machine joins in its place.")
	}
	plan.Membership, plan.OperationID, plan.OperationStatus = types.StringUnknown(), types.StringUnknown(), types.StringUnknown()
	plan.Name, plan.Master = types.StringUnknown(), types.BoolUnknown()
	if plan.Role.IsNull() {
		plan.Role = types.StringUnknown() // it is known when the node has joined
	}
	response.Diagnostics.Append(response.Plan.Set(ctx, &plan)...)
}

// Update goes on with a join that has not ended, or recovers a node. Everything
// else that can be changed is only recorded.
func (r *nodeResource) Update(ctx context.Context, request resource.UpdateRequest, response *resource.UpdateResponse) {
	ctx = r.reach.Mask(ctx)
	var m, before model
	response.Diagnostics.Append(request.Plan.Get(ctx, &m)...)
	response.Diagnostics.Append(request.State.Get(ctx, &before)...)
	limit, problems := m.Timeouts.Update(ctx, createTimeout)
	response.Diagnostics.Append(problems...)
	if response.Diagnostics.HasError() {
		return
	}
	if !before.settled() {
		switch result := r.bringIn(ctx, &m, limit); result.Status {
		case operation.Running:
			warnRunning(&response.Diagnostics, &m, result)
		case operation.Refused:
			// As before.
			m.Membership, m.OperationID, m.OperationStatus = before.Membership, before.OperationID, before.OperationStatus
			m.Name, m.Master = before.Name, before.Master
			access.AddError(&response.Diagnostics, "Cannot join node to cluster", result.Err)
		case operation.Failed:
			access.AddError(&response.Diagnostics, "Node has not joined", result.Err)
		}
	}
	m.settle()
	response.Diagnostics.Append(response.State.Set(ctx, &m)...)
	response.Diagnostics.Append(response.Identity.Set(ctx, m.identity())...)
}

package cluster

import (
	"context"
	"errors"

	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/gravity-platform/terraform-provider-gravity/provider/access"
	masters "github.com/gravity-platform/terraform-provider-gravity/provider/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/provider/operation"
)

// Read asks any living master. A cluster that cannot be reached stays in the state.
func (r *clusterResource) Read(ctx context.Context, request resource.ReadRequest, response *resource.ReadResponse) {
	ctx = r.reach.Mask(ctx)
	var m model
	response.Diagnostics.Append(request.State.Get(ctx, &m)...)
	if response.Diagnostics.HasError() {
		return
	}
	gone, err := r.read(ctx, &m)
	switch {
	case gone:
		tflog.Warn(ctx, "the cluster is not there any more", map[string]any{"cluster": m.Name.ValueString()})
		response.State.RemoveResource(ctx)
		// The framework wants one of what has gone, too.
		response.Diagnostics.Append(response.Identity.Set(ctx, m.identity())...)
	case err != nil:
		access.AddError(&response.Diagnostics, "Cannot read cluster", err)
	default:
		response.Diagnostics.Append(response.State.Set(ctx, &m)...)
		response.Diagnostics.Append(response.Identity.Set(ctx, m.identity())...)
	}
}

// read tells whether the cluster has gone.
func (r *clusterResource) read(ctx context.Context, m *model) (gone bool, err error) {
	imported := m.OperationStatus.IsNull() && m.BundleDigest.IsNull()
	if !imported && m.OperationStatus.ValueString() != operation.Completed {
		gone, err := r.readInstallation(ctx, m)
		if gone || err != nil || m.OperationStatus.ValueString() != operation.Completed {
			return gone, err
		}
	}
	found, err := masters.Find(ctx, r.reach, m.Name.ValueString(), m.known())
	if err != nil {
		return errors.Is(err, masters.ErrAbsent) && !imported, err
	}
	defer found.Release()
	m.refresh(found)
	if imported {
		m.adopt(found)
	}
	return false, nil
}

// readInstallation asks the first master how far the installation is.
func (r *clusterResource) readInstallation(ctx context.Context, m *model) (gone bool, err error) {
	o, release, err := r.installation(m)
	if err != nil {
		return false, err
	}
	defer release()
	plan, err := o.Plan(ctx)
	if errors.Is(err, operation.ErrNoPlan) {
		return true, nil
	}
	if err != nil || plan.ClusterName != m.Name.ValueString() {
		return false, err
	}
	result := operation.Examine(plan)
	m.OperationID = types.StringValue(result.ID)
	if result.Status == operation.Completed {
		m.OperationStatus = types.StringValue(operation.Completed)
	}
	return false, nil
}

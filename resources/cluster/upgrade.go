package cluster

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/resource"
)

// UpgradeState makes the current state of older ones. Version 0 had the same
// attributes.
func (r *clusterResource) UpgradeState(ctx context.Context) map[int64]resource.StateUpgrader {
	var response resource.SchemaResponse
	r.Schema(ctx, resource.SchemaRequest{}, &response)
	prior := response.Schema
	prior.Version = 0
	return map[int64]resource.StateUpgrader{0: {
		PriorSchema: &prior,
		StateUpgrader: func(ctx context.Context, request resource.UpgradeStateRequest, response *resource.UpgradeStateResponse) {
			var m model
			response.Diagnostics.Append(request.State.Get(ctx, &m)...)
			if !response.Diagnostics.HasError() {
				response.Diagnostics.Append(response.State.Set(ctx, &m)...)
			}
		},
	}}
}

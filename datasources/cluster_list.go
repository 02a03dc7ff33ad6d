package datasources

import (
	"cmp"
	"context"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

// listNodes sorts nodes by their names.
func listNodes(ctx context.Context, nodes []report.StatusNode) (types.List, diag.Diagnostics) {
	var all diag.Diagnostics
	values := []attr.Value{}
	sorted := slices.SortedFunc(slices.Values(nodes), func(a, b report.StatusNode) int { return cmp.Compare(a.Hostname, b.Hostname) })
	for _, n := range sorted {
		failed, diagnostics := listTexts(ctx, n.FailedProbes)
		warnings, more := listTexts(ctx, n.WarnProbes)
		all = append(append(all, diagnostics...), more...)
		values = append(values, types.ObjectValueMust(nodeTypes, map[string]attr.Value{
			"hostname": types.StringValue(n.Hostname), "address": types.StringValue(n.AdvertiseIP), "role": types.StringValue(n.Role),
			"profile": types.StringValue(n.Profile), "status": types.StringValue(n.Status), "failed_probes": failed, "warnings": warnings,
		}))
	}
	list, more := types.ListValue(types.ObjectType{AttrTypes: nodeTypes}, values)
	return list, append(all, more...)
}

// listEndpoints are those of all applications, in the manifest's order.
func listEndpoints(ctx context.Context, applications []report.StatusApplicationEndpoints) (types.List, diag.Diagnostics) {
	var all diag.Diagnostics
	values := []attr.Value{}
	for _, application := range applications {
		for _, endpoint := range application.Endpoints {
			addresses, diagnostics := listTexts(ctx, endpoint.Addresses)
			all.Append(diagnostics...)
			values = append(values, types.ObjectValueMust(endpointTypes, map[string]attr.Value{
				"name": types.StringValue(endpoint.Name), "description": orNull(endpoint.Description), "addresses": addresses,
			}))
		}
	}
	list, more := types.ListValue(types.ObjectType{AttrTypes: endpointTypes}, values)
	return list, append(all, more...)
}

// listTexts makes an empty list of nothing.
func listTexts(ctx context.Context, lines []string) (types.List, diag.Diagnostics) {
	return types.ListValueFrom(ctx, types.StringType, append([]string{}, lines...))
}

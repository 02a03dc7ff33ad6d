package datasources

import (
	"context"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
	"github.com/gravity-platform/terraform-provider-gravity/provider/cluster"
)

// listNodes sorts nodes by their addresses.
func listNodes(ctx context.Context, nodes []report.StatusNode) (types.List, diag.Diagnostics) {
	var all diag.Diagnostics
	values := []attr.Value{}
	sorted := slices.SortedFunc(slices.Values(nodes), func(a, b report.StatusNode) int {
		return cluster.CompareAddresses(a.AdvertiseIP, b.AdvertiseIP)
	})
	for _, n := range sorted {
		failed, diagnostics := listTexts(ctx, n.FailedProbes)
		warnings, more := listTexts(ctx, n.WarnProbes)
		all = append(append(all, diagnostics...), more...)
		values = append(values, types.ObjectValueMust(nodeTypes, map[string]attr.Value{
			"name": types.StringValue(n.Hostname), "address": types.StringValue(n.AdvertiseIP), "role": types.StringValue(n.Profile),
			"master": types.BoolValue(n.Role == cluster.RoleMaster), "status": types.StringValue(n.Status),
			"failed_probes": failed, "warnings": warnings,
		}))
	}
	list, more := types.ListValue(types.ObjectType{AttrTypes: nodeTypes}, values)
	return list, append(all, more...)
}

// listEndpoints has those of all applications by their names.
func listEndpoints(ctx context.Context, applications []report.StatusApplicationEndpoints) (types.Map, diag.Diagnostics) {
	values := make(map[string][]string)
	for _, application := range applications {
		for _, endpoint := range application.Endpoints {
			values[endpoint.Name] = append(append([]string{}, values[endpoint.Name]...), endpoint.Addresses...)
		}
	}
	return types.MapValueFrom(ctx, texts, values)
}

// listTexts makes an empty list of nothing.
func listTexts(ctx context.Context, lines []string) (types.List, diag.Diagnostics) {
	return types.ListValueFrom(ctx, types.StringType, append([]string{}, lines...))
}

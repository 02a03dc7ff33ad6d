package cluster

import (
	"context"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/listplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
	masters "github.com/gravity-platform/terraform-provider-gravity/provider/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/provider/operation"
)

// What the state has after an import where no cluster tells what it was installed
// with. Terraform lets a plan keep what the state has instead of what the
// configuration has, but only a value that is not null.
var (
	notKnownConfig  = types.StringValue("# not known: the cluster was imported\n")
	notKnownVersion = types.Int64Value(0)
	notKnownKeys    = types.ListValueMust(types.StringType, []attr.Value{})
)

// aboutAdopted is for descriptions.
const aboutAdopted = " After an import it is not known, and no value is a change."

// adopt completes what was imported: the bundle is known by its digest only, and what
// counted when the cluster was installed by what the cluster has noted of it.
func (m *model) adopt(found *masters.Found) {
	m.Name = types.StringValue(found.Status.Cluster.Domain)
	m.Bundle = m.BundleDigest
	m.OperationStatus = types.StringValue(operation.Completed)
	m.Config, m.WriteOnlyConfigCount, m.SignedBy = notKnownConfig, notKnownVersion, notKnownKeys
	if facts := found.Status.Cluster.Facts; facts != nil {
		m.adoptInstallation(&facts.Installation)
	}
}

func (m *model) adoptInstallation(asked *report.StatusInstallation) {
	if asked.Flavor != "" {
		m.Flavor = types.StringValue(asked.Flavor)
	}
	if len(asked.Mounts) > 0 {
		folders := make(map[string]attr.Value)
		for name, folder := range asked.Mounts {
			folders[name] = types.StringValue(folder)
		}
		m.Mounts = types.MapValueMust(types.StringType, folders)
	}
	for list, texts := range map[*types.List][]string{&m.DNSZones: asked.DNSZones, &m.SkipChecks: asked.SkipChecks} {
		if len(texts) > 0 {
			*list = textList(texts)
		}
	}
}

func textList(texts []string) types.List {
	var elements []attr.Value
	for _, text := range texts {
		elements = append(elements, types.StringValue(text))
	}
	return types.ListValueMust(types.StringType, elements)
}

// lasting is for what counts when the cluster is installed: what the configuration
// does not have, or not any more, stays as it was, and so does what an import left in
// the state because nobody knows it.
type lasting struct {
	// notKnown is what that is; nil if clusters tell it.
	notKnown attr.Value
}

// Description says what it does.
func (lasting) Description(context.Context) string { return "What is not configured stays as it was." }

// MarkdownDescription says what it does.
func (l lasting) MarkdownDescription(ctx context.Context) string { return l.Description(ctx) }

// stays tells whether the state's value is the one to plan.
func (l lasting) stays(config, state attr.Value) bool {
	return config.IsNull() || l.notKnown != nil && state.Equal(l.notKnown)
}

// PlanModifyString is for flavor and config.
func (l lasting) PlanModifyString(_ context.Context, request planmodifier.StringRequest, response *planmodifier.StringResponse) {
	if l.stays(request.ConfigValue, request.StateValue) {
		response.PlanValue = request.StateValue
	}
}

// PlanModifyInt64 is for config_wo_version.
func (l lasting) PlanModifyInt64(_ context.Context, request planmodifier.Int64Request, response *planmodifier.Int64Response) {
	if l.stays(request.ConfigValue, request.StateValue) {
		response.PlanValue = request.StateValue
	}
}

// PlanModifyList is for signed_by, dns_zones and skip_checks.
func (l lasting) PlanModifyList(_ context.Context, request planmodifier.ListRequest, response *planmodifier.ListResponse) {
	if l.stays(request.ConfigValue, request.StateValue) {
		response.PlanValue = request.StateValue
	}
}

// PlanModifyMap is for mounts.
func (l lasting) PlanModifyMap(_ context.Context, request planmodifier.MapRequest, response *planmodifier.MapResponse) {
	if l.stays(request.ConfigValue, request.StateValue) {
		response.PlanValue = request.StateValue
	}
}

// sameZones tells whether two lists are the same resolvers, in whatever order and with
// or without the port that is the default.
func sameZones(a, b types.List) bool {
	plain := func(list types.List) []string {
		var zones []string
		for _, element := range list.Elements() {
			if zone, ok := element.(types.String); ok {
				zones = append(zones, strings.TrimSuffix(zone.ValueString(), ":53"))
			}
		}
		slices.Sort(zones)
		return zones
	}
	return slices.Equal(plain(a), plain(b))
}

// zonesChanged wants another cluster for other resolvers.
func zonesChanged(_ context.Context, request planmodifier.ListRequest, response *listplanmodifier.RequiresReplaceIfFuncResponse) {
	response.RequiresReplace = !request.StateValue.IsNull() && (request.PlanValue.IsUnknown() || !sameZones(request.StateValue, request.PlanValue))
}

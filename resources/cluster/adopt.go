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
const aboutAdopted = " No cluster tells it after an import: then it is no change, whatever it is."

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

// adopted is for what counts when the cluster is installed and cannot be read later:
// what an import left in the state stays, and so does what the configuration does not
// have any more.
type adopted struct{}

// Description says what it does.
func (adopted) Description(context.Context) string {
	return "What an import does not know is no change."
}

// MarkdownDescription says what it does.
func (a adopted) MarkdownDescription(ctx context.Context) string { return a.Description(ctx) }

// PlanModifyString is for config.
func (adopted) PlanModifyString(_ context.Context, request planmodifier.StringRequest, response *planmodifier.StringResponse) {
	if request.ConfigValue.IsNull() || request.StateValue.Equal(notKnownConfig) {
		response.PlanValue = request.StateValue
	}
}

// PlanModifyInt64 is for config_wo_version.
func (adopted) PlanModifyInt64(_ context.Context, request planmodifier.Int64Request, response *planmodifier.Int64Response) {
	if request.ConfigValue.IsNull() || request.StateValue.Equal(notKnownVersion) {
		response.PlanValue = request.StateValue
	}
}

// PlanModifyList is for signed_by.
func (adopted) PlanModifyList(_ context.Context, request planmodifier.ListRequest, response *planmodifier.ListResponse) {
	if request.ConfigValue.IsNull() || request.StateValue.Equal(notKnownKeys) {
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

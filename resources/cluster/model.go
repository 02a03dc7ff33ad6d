package cluster

import (
	"cmp"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
	masters "github.com/gravity-platform/terraform-provider-gravity/provider/cluster"
)

// model is plan and state.
type model struct {
	Name             types.String `tfsdk:"name"`
	Bundle           types.String `tfsdk:"bundle"`
	AdvertiseAddress types.String `tfsdk:"advertise_address"`
	Role             types.String `tfsdk:"role"`
	Mounts           types.Map    `tfsdk:"mounts"`
	PodNetwork       types.String `tfsdk:"pod_cidr"`
	ServiceNetwork   types.String `tfsdk:"service_cidr"`
	VXLANPort        types.Int64  `tfsdk:"vxlan_port"`
	ServiceUser      types.Int64  `tfsdk:"service_uid"`
	ServiceGroup     types.Int64  `tfsdk:"service_gid"`
	CloudProvider    types.String `tfsdk:"cloud_provider"`
	DNSZones         types.List   `tfsdk:"dns_zones"`
	OnDestroy        types.String `tfsdk:"on_destroy"`
	SSH              types.Object `tfsdk:"ssh"`

	SignedBy             types.List   `tfsdk:"signed_by"`
	Flavor               types.String `tfsdk:"flavor"`
	SkipChecks           types.List   `tfsdk:"skip_checks"`
	Config               types.String `tfsdk:"config"`
	WriteOnlyConfig      types.String `tfsdk:"config_wo"`
	WriteOnlyConfigCount types.Int64  `tfsdk:"config_wo_version"`

	BundleDigest    types.String `tfsdk:"bundle_digest"`
	Application     types.String `tfsdk:"application"`
	Version         types.String `tfsdk:"version"`
	Kubernetes      types.String `tfsdk:"kubernetes_version"`
	State           types.String `tfsdk:"state"`
	OperationID     types.String `tfsdk:"operation_id"`
	OperationStatus types.String `tfsdk:"operation_status"`
	Masters         types.List   `tfsdk:"masters"`
	Nodes           types.List   `tfsdk:"nodes"`
	Endpoints       types.Map    `tfsdk:"endpoints"`

	Timeouts timeouts.Value `tfsdk:"timeouts"`
}

var (
	nodeType = types.ObjectType{AttrTypes: map[string]attr.Type{
		"name": types.StringType, "address": types.StringType, "role": types.StringType, "master": types.BoolType, "status": types.StringType,
	}}
	masterType   = types.ObjectType{AttrTypes: masters.MasterTypes()}
	endpointType = types.ListType{ElemType: types.StringType}
)

// first is the first master.
func (m *model) first() masters.Master { return masters.With(m.AdvertiseAddress.ValueString(), m.SSH) }

// known are the masters of the state, and always the first one.
func (m *model) known() []masters.Master {
	known := []masters.Master{m.first()}
	for _, one := range masters.FromList(m.Masters) {
		if one.Address.ValueString() != m.AdvertiseAddress.ValueString() {
			known = append(known, one)
		}
	}
	return known
}

// settle gives computed values that are not known a value, so that the state can
// be kept before the cluster tells them.
func (m *model) settle() {
	for _, text := range []*types.String{
		&m.Role, &m.PodNetwork, &m.ServiceNetwork, &m.CloudProvider, &m.BundleDigest, &m.Application, &m.Version, &m.Kubernetes,
		&m.State, &m.OperationID, &m.OperationStatus,
	} {
		if text.IsUnknown() {
			*text = types.StringNull()
		}
	}
	for _, number := range []*types.Int64{&m.VXLANPort, &m.ServiceUser, &m.ServiceGroup} {
		if number.IsUnknown() {
			*number = types.Int64Null()
		}
	}
	if m.Masters.IsUnknown() || m.Masters.IsNull() {
		m.Masters = masters.ToList([]masters.Master{m.first()})
	}
	if m.Nodes.IsUnknown() {
		m.Nodes = types.ListNull(nodeType)
	}
	if m.Endpoints.IsUnknown() {
		m.Endpoints = types.MapNull(endpointType)
	}
}

// refresh takes what the cluster says of itself.
func (m *model) refresh(found *masters.Found) {
	cluster := &found.Status.Cluster
	m.Application, m.Version = types.StringValue(cluster.Application.Name), types.StringValue(cluster.Application.Version)
	m.State = types.StringValue(cluster.State)
	m.Masters = masters.ToList(found.Masters(m.known()))
	nodes := slices.SortedFunc(slices.Values(cluster.Nodes), func(a, b report.StatusNode) int {
		return cmp.Or(masters.CompareAddresses(a.AdvertiseIP, b.AdvertiseIP), cmp.Compare(a.Hostname, b.Hostname))
	})
	list := []attr.Value{}
	for _, node := range nodes {
		list = append(list, types.ObjectValueMust(nodeType.AttrTypes, map[string]attr.Value{
			"name": types.StringValue(node.Hostname), "address": types.StringValue(node.AdvertiseIP), "role": types.StringValue(node.Profile),
			"master": types.BoolValue(node.Role == masters.RoleMaster), "status": types.StringValue(node.Status),
		}))
	}
	m.Nodes = types.ListValueMust(nodeType, list)
	m.Endpoints = endpoints(cluster)
	if node, ok := found.Member(m.AdvertiseAddress.ValueString()); ok && unset(m.Role) {
		m.Role = types.StringValue(node.Profile)
	}
	if facts := cluster.Facts; facts != nil {
		m.refreshFacts(facts)
	}
}

// refreshFacts takes what a cluster was made with.
func (m *model) refreshFacts(facts *report.StatusFacts) {
	m.BundleDigest, m.Kubernetes = types.StringValue(facts.Bundle), types.StringValue(facts.Runtime)
	for text, value := range map[*types.String]string{
		&m.PodNetwork: facts.PodNetwork, &m.ServiceNetwork: facts.ServiceNetwork, &m.CloudProvider: facts.CloudProvider,
	} {
		if unset(*text) {
			*text = types.StringValue(value)
		}
	}
	for number, value := range map[*types.Int64]int64{
		&m.VXLANPort: int64(facts.VXLANPort), &m.ServiceUser: facts.ServiceUser, &m.ServiceGroup: facts.ServiceGroup,
	} {
		if number.IsNull() || number.IsUnknown() {
			*number = types.Int64Value(value)
		}
	}
}

func unset(text types.String) bool { return text.IsNull() || text.IsUnknown() }

func endpoints(cluster *report.StatusCluster) types.Map {
	found := map[string]attr.Value{}
	for _, application := range cluster.Endpoints.Applications {
		for _, endpoint := range application.Endpoints {
			addresses := []attr.Value{}
			for _, address := range endpoint.Addresses {
				addresses = append(addresses, types.StringValue(address))
			}
			found[endpoint.Name] = types.ListValueMust(types.StringType, addresses)
		}
	}
	return types.MapValueMust(endpointType, found)
}

package node

import (
	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework/types"

	masters "github.com/gravity-platform/terraform-provider-gravity/provider/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/provider/operation"
)

// model is plan and state.
type model struct {
	Cluster          types.String `tfsdk:"cluster"`
	Masters          types.List   `tfsdk:"masters"`
	AdvertiseAddress types.String `tfsdk:"advertise_address"`
	Role             types.String `tfsdk:"role"`
	Mounts           types.Map    `tfsdk:"mounts"`
	SkipChecks       types.List   `tfsdk:"skip_checks"`
	OnDestroy        types.String `tfsdk:"on_destroy"`
	SSH              types.Object `tfsdk:"ssh"`

	Name            types.String `tfsdk:"name"`
	Master          types.Bool   `tfsdk:"master"`
	Membership      types.String `tfsdk:"membership"`
	OperationID     types.String `tfsdk:"operation_id"`
	OperationStatus types.String `tfsdk:"operation_status"`

	Timeouts timeouts.Value `tfsdk:"timeouts"`
}

// What membership may be.
const (
	member = "member"
	lost   = "lost"
)

func (m *model) address() string { return m.AdvertiseAddress.ValueString() }

// self is the machine, as a master is reached.
func (m *model) self() masters.Master { return masters.With(m.address(), m.SSH) }

// known are the masters, this node among them if it is one.
func (m *model) known() []masters.Master {
	var known []masters.Master
	for _, one := range masters.FromList(m.Masters) {
		if one.Address.ValueString() == m.address() {
			one = m.self()
		}
		known = append(known, one)
	}
	return known
}

// others are the masters but this node.
func (m *model) others() []masters.Master {
	var others []masters.Master
	for _, one := range m.known() {
		if one.Address.ValueString() != m.address() {
			others = append(others, one)
		}
	}
	return others
}

// settle gives computed values that are not known a value.
func (m *model) settle() {
	for _, text := range []*types.String{&m.Role, &m.Name, &m.Membership, &m.OperationID, &m.OperationStatus} {
		if text.IsUnknown() {
			*text = types.StringNull()
		}
	}
	if m.Master.IsUnknown() {
		m.Master = types.BoolNull()
	}
}

// refresh takes what the cluster says of the node; false if it has none of the
// address.
func (m *model) refresh(found *masters.Found) bool {
	node, ok := found.Member(m.address())
	if !ok {
		return false
	}
	m.Name, m.Master = types.StringValue(node.Hostname), types.BoolValue(node.Role == masters.RoleMaster)
	if m.Role.IsNull() || m.Role.IsUnknown() {
		m.Role = types.StringValue(node.Profile)
	}
	return true
}

// settled tells whether there is nothing to go on with.
func (m *model) settled() bool {
	return m.OperationStatus.ValueString() == operation.Completed && m.Membership.ValueString() == member
}

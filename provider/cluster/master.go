package cluster

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
	"github.com/gravity-platform/terraform-provider-gravity/provider/access"
)

// Master is a master of a cluster, and how to reach it where that differs from the
// provider's ssh. It is an element of the lists masters.
type Master struct {
	// Address is where the other nodes reach it.
	Address types.String `tfsdk:"address"`
	// Host is where the provider reaches it; null means Address.
	Host types.String `tfsdk:"host"`
	Port types.Int64  `tfsdk:"port"`
	User types.String `tfsdk:"user"`
	// HostKey is as in ssh.
	HostKey types.String `tfsdk:"host_key"`
}

// At is a master that is reached at its address with the provider's settings.
func At(address string) Master {
	return Master{
		Address: types.StringValue(address), Host: types.StringNull(), Port: types.Int64Null(),
		User: types.StringNull(), HostKey: types.StringNull(),
	}
}

// With is a master that is reached as the attribute ssh of a resource says.
func With(address string, ssh types.Object) Master {
	m := At(address)
	values := ssh.Attributes()
	for name, field := range map[string]*types.String{"host": &m.Host, "user": &m.User, "host_key": &m.HostKey} {
		if value, ok := values[name].(types.String); ok {
			*field = value
		}
	}
	if value, ok := values["port"].(types.Int64); ok {
		m.Port = value
	}
	return m
}

// Settings are for access.Access.Reach.
func (m Master) Settings() access.Settings {
	host := m.Host
	if host.IsNull() {
		host = m.Address
	}
	return access.NewSettings(types.ObjectValueMust(access.NodeTypes(), map[string]attr.Value{
		"host": host, "port": m.Port, "user": m.User, "host_key": m.HostKey,
	}))
}

// Masters are those that a cluster's status lists, in the order of their
// addresses. What is known of how to reach them is kept.
func Masters(status *report.Status, known []Master) []Master {
	var found []Master
	for _, node := range status.Cluster.Nodes {
		if node.Role != RoleMaster || node.AdvertiseIP == "" {
			continue
		}
		master := At(node.AdvertiseIP)
		for _, one := range known {
			if one.Address.ValueString() == node.AdvertiseIP {
				master = one
			}
		}
		found = append(found, master)
	}
	slices.SortFunc(found, func(a, b Master) int { return CompareAddresses(a.Address.ValueString(), b.Address.ValueString()) })
	return found
}

// RoleMaster is the role of masters in a cluster's status.
const RoleMaster = "master"

// StatusOffline is the status of a node whose agent does not answer.
const StatusOffline = "offline"

// CompareAddresses orders addresses as numbers.
func CompareAddresses(a, b string) int {
	first, firstErr := netip.ParseAddr(a)
	second, secondErr := netip.ParseAddr(b)
	if firstErr != nil || secondErr != nil {
		return cmp.Compare(a, b)
	}
	return first.Compare(second)
}

package cluster

import (
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// ToList is masters as an attribute.
func ToList(list []Master) types.List {
	values := []attr.Value{}
	for _, master := range list {
		values = append(values, types.ObjectValueMust(MasterTypes(), map[string]attr.Value{
			"address": master.Address, "host": master.Host, "port": master.Port, "user": master.User, "host_key": master.HostKey,
		}))
	}
	return types.ListValueMust(types.ObjectType{AttrTypes: MasterTypes()}, values)
}

// FromList reads the attribute masters; there is none in a list that is null or
// unknown.
func FromList(list types.List) []Master {
	var masters []Master
	for _, element := range list.Elements() {
		object, ok := element.(types.Object)
		if !ok {
			continue
		}
		if address, ok := object.Attributes()["address"].(types.String); ok {
			masters = append(masters, With(address.ValueString(), object))
		}
	}
	return masters
}

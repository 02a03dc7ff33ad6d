package removal

import (
	"maps"
	"slices"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/member"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
)

// forgotten finds a node that a person calls so and that Kubernetes does not know,
// though an earlier removal of it has not ended, the cluster has its record or etcd a
// member: its Node may have been deleted by hand. It is nil if there is none.
func (c *situation) forgotten(name string) *member.Member {
	if c.earlier != "" {
		return &member.Member{Server: c.record.leaving.Node}
	}
	var found []operation.Server
	for _, recorded := range slices.Sorted(maps.Keys(c.records)) {
		r := c.records[recorded]
		server := operation.Server{AdvertiseIP: r.Address.String(), Hostname: recorded, Nodename: recorded, Role: r.Role, ClusterRole: member.Worker}
		if r.Master {
			server.ClusterRole = member.Master
		}
		found = append(found, server)
	}
	for _, m := range c.etcd {
		if m.Name != "" && len(m.Addresses) > 0 {
			found = append(found, operation.Server{
				AdvertiseIP: m.Addresses[0].String(), Hostname: m.Name, Nodename: m.Name, ClusterRole: member.Master,
			})
		}
	}
	for _, server := range found {
		if m := (member.Member{Server: server}); m.Called(name) && !c.present(server) {
			return &m
		}
	}
	return nil
}

// present tells whether Kubernetes knows a node, or another one that has its address:
// nothing may be done to that one's machine, or member of etcd.
func (c *situation) present(server operation.Server) bool {
	return slices.ContainsFunc(c.members, func(m member.Member) bool {
		return m.Nodename == server.Nodename || m.AdvertiseIP == server.AdvertiseIP
	})
}

package main

import (
	"context"
	"net/netip"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/health"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/member"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/membership"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

// peers is the health of the other nodes, for this master. Kubernetes knows which
// there are, and the membership which of them answer.
func (a *agent) peers(roster *health.Roster) *health.Peers {
	config := &kube.File{Path: a.paths.KubernetesFile("admin.conf")}
	return &health.Peers{
		Ask: func(ctx context.Context, address netip.Addr) (report.NodeHealth, error) {
			return health.AskNode(ctx, a.paths, address)
		},
		List: func(ctx context.Context) ([]report.Member, error) {
			client, err := config.Client()
			if err != nil {
				return nil, err
			}
			nodes, err := member.List(ctx, client)
			if err != nil {
				return nil, err
			}
			names := make([]string, len(nodes))
			for i, n := range nodes {
				names[i] = n.Nodename
			}
			roster.Nodes(names)
			return a.others(nodes), nil
		},
	}
}

// others are the nodes but this one, as the membership sees them.
func (a *agent) others(nodes []member.Member) []report.Member {
	seen := map[string]string{}
	if members := a.host.members.Load(); members != nil {
		for _, one := range members.Members() {
			seen[one.Name] = one.Status
		}
	}
	var others []report.Member
	for _, n := range nodes {
		address, err := n.Address()
		if err != nil || n.Nodename == a.node.Name {
			continue
		}
		one := report.Member{
			Name: membership.NameOf(address, a.node.Cluster), Addr: netip.AddrPortFrom(address, membership.Port).String(),
			Tags: map[string]string{membership.TagAddress: address.String(), membership.TagRole: n.ClusterRole, membership.TagNode: n.Nodename},
		}
		one.Status = seen[one.Name]
		others = append(others, one)
	}
	return others
}

// watchPeers asks the other nodes how they are, on a master.
func watchPeers(ctx context.Context, peers *health.Peers) error {
	if peers == nil {
		<-ctx.Done()
		return nil
	}
	peers.Run(ctx)
	return nil
}

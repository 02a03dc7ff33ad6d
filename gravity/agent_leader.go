package main

import (
	"context"
	"net/netip"
	"sync"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/balancer"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/health"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/leader"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
)

// lead takes part in the election of the leader, and does what the leader does:
// it asks the application for its status (S39), and keeps the leader's names at
// masters that serve (S18).
func (a *agent) lead(ctx context.Context, history *health.History) error {
	if !a.node.Master {
		<-ctx.Done()
		return nil
	}
	application := health.Application{Paths: a.paths, History: history, Log: a.log}
	follower := leader.Follower{
		Masters: func() ([]netip.Addr, error) { return node.ReadMasters(a.paths) },
		Check:   balancer.CheckReady,
		Log:     a.log,
	}
	elector := leader.Elector{
		Open:     func() (*kube.Client, error) { return kube.Open(a.paths.KubernetesFile("admin.conf")) },
		Identity: a.node.Name,
		Log:      a.log,
		Lead: func(ctx context.Context, client *kube.Client) {
			var leading sync.WaitGroup
			leading.Go(func() { application.Run(ctx) })
			leading.Go(func() { follower.Run(ctx, client) })
			leading.Wait()
		},
	}
	return elector.Run(ctx)
}

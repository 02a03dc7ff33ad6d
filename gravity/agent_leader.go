package main

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/balancer"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/health"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/leader"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
)

// lead takes part in the election of the leader, and does what the leader does:
// it asks the application for its status (S39), and keeps the leader's names at
// masters that serve (S18).
func (a *agent) lead(ctx context.Context, history *health.History, roster *health.Roster) error {
	if !a.node.Master {
		<-ctx.Done()
		return nil
	}
	application := health.Application{Paths: a.paths, History: history, Log: a.log}
	config := &kube.File{Path: a.paths.KubernetesFile("admin.conf")}
	follower := leader.Follower{
		Client:  config.Client,
		Masters: func() ([]netip.Addr, error) { return node.ReadMasters(a.paths) },
		Check:   balancer.CheckReady,
		Log:     a.log,
	}
	elector := leader.Elector{
		Client:   config.Client,
		Identity: a.node.Name,
		Log:      a.log,
		Elected:  roster.Leader,
		Lead: func(ctx context.Context) {
			var leading sync.WaitGroup
			leading.Go(func() { application.Run(ctx) })
			leading.Go(func() { follower.Run(ctx) })
			leading.Wait()
		},
	}
	ctx, end := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer end()
	watching.Go(func() { untilRenewed(ctx, config, end) })
	return elector.Run(ctx)
}

// renewedInterval is how often it is looked whether a kubeconfig was renewed.
const renewedInterval = 10 * time.Second

// untilRenewed ends what uses a connection when its kubeconfig has changed: it is
// begun again with the new certificate.
func untilRenewed(ctx context.Context, config *kube.File, end func()) {
	var first *kube.Client
	for {
		client, err := config.Client()
		switch {
		case err != nil: // it is being made
		case first == nil:
			first = client
		case client != first:
			end()
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(renewedInterval):
		}
	}
}

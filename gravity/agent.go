package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/balancer"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/health"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kubeadm"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

func newAgentCommand(g *globals) *cobra.Command {
	command := &cobra.Command{Use: "agent", Short: "The agent of this node"}
	command.AddCommand(&cobra.Command{
		Use:    "run",
		Short:  "Serve as the agent of this node",
		Hidden: true,
		RunE:   func(command *cobra.Command, _ []string) error { return g.runAgent(command) },
	})
	return command
}

// runAgent balances connections to the API servers and watches the health of the
// node and of the application until it is told to stop.
func (g *globals) runAgent(command *cobra.Command) error {
	p, err := paths.New(g.stateDir)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(command.ErrOrStderr(), nil))
	listener, err := net.Listen("tcp", kubeadm.Endpoint.String())
	if err != nil {
		return fmt.Errorf("balancer: %w", err)
	}
	// Whatever becomes of the history, API servers must be reached.
	history, err := health.OpenHistory(p.History())
	if err != nil {
		log.Warn("the history of health is not as it was", "error", err)
	}
	monitor := &health.Monitor{
		Node:     func() (*node.Node, error) { return node.Read(p) },
		Checkers: func(n *node.Node) []health.Checker { return health.Checkers(p, n) },
		History:  history, Log: log,
	}
	addresses := []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), health.Port)}
	if n, err := node.Read(p); err == nil {
		addresses = append(addresses, netip.AddrPortFrom(n.Address, health.Port))
	}
	application := health.Application{Paths: p, History: history, Log: log}
	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := context.WithCancel(command.Context())
	defer cancel()
	running.Go(func() { monitor.Run(ctx) })
	running.Go(func() { health.Serve(ctx, monitor.Handler(), p, addresses, log) })
	running.Go(func() { application.Run(ctx) })
	return balancer.Serve(ctx, listener, balancer.Options{
		Upstreams: func() ([]string, error) { return balancer.ReadMasters(p.Masters()) },
		Check:     balancer.CheckReady,
		Log:       log,
	})
}

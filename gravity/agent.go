package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/balancer"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/bootstrap"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/health"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kubeadm"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/membership"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/rpc"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/upkeep"
)

func newAgentCommand(g *globals) *cobra.Command {
	command := &cobra.Command{Use: "agent", Short: "The agents of the cluster's nodes"}
	command.AddCommand(newAgentDeployCommand(g), newAgentShutdownCommand(g), newAgentStatusCommand(g), &cobra.Command{
		Use:    "run",
		Short:  "Serve as the agent of this node",
		Hidden: true,
		RunE:   func(command *cobra.Command, _ []string) error { return g.runAgent(command) },
	})
	return command
}

// agent is what serves on a node.
type agent struct {
	paths paths.Paths
	node  *node.Node
	log   *slog.Logger
	host  *agentHost
}

// server serves until its context ends.
type server func(context.Context) error

// runAgent serves until it is told to stop, or to be another program.
func (g *globals) runAgent(command *cobra.Command) error {
	p, err := paths.New(g.stateDir)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(command.ErrOrStderr(), nil))
	if err := becomeDeployed(p); err != nil {
		log.Warn("the agent runs as the installed program", "error", err)
	}
	n, err := node.Read(p)
	if err != nil {
		return err
	}
	host, err := newAgentHost(p)
	if err != nil {
		return err
	}
	a := &agent{paths: p, node: n, log: log, host: host}
	ctx, cancel := context.WithCancelCause(command.Context())
	defer cancel(nil)
	servers := a.servers()
	var running sync.WaitGroup
	running.Go(func() { a.serve(ctx, a.balance, servers) })
	restart := host.waitRestart(ctx)
	if restart {
		cancel(membership.ErrRestart)
	}
	running.Wait()
	if restart {
		return becomeAgent(p)
	}
	return nil
}

// servers are all that serve but the balancer, by name.
func (a *agent) servers() map[string]server {
	// Whatever becomes of the history, API servers must be reached.
	history, err := health.OpenHistory(a.paths.History())
	if err != nil {
		a.log.Warn("the history of health is not as it was", "error", err)
	}
	roster := &health.Roster{File: a.paths.Roster(), History: history, Log: a.log}
	monitor := &health.Monitor{
		Node:     func() (*node.Node, error) { return node.Read(a.paths) },
		Checkers: func(n *node.Node) []health.Checker { return health.Checkers(a.paths, n) },
		Pulse:    container.New(a.paths).Life,
		History:  history, Log: a.log,
	}
	if a.node.Master {
		monitor.Peers = a.peers(roster)
	}
	addresses := []netip.AddrPort{
		netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), health.Port), netip.AddrPortFrom(a.node.Address, health.Port),
	}
	care := upkeep.Upkeep{Paths: a.paths, Node: a.node, Log: a.log}
	return map[string]server{
		"monitor": func(ctx context.Context) error { monitor.Run(ctx); return nil },
		"peers":   func(ctx context.Context) error { return watchPeers(ctx, monitor.Peers) },
		"health": func(ctx context.Context) error {
			health.Serve(ctx, monitor.Handler(), a.paths, addresses, a.log)
			return nil
		},
		"leader":       a.whileMember(func(ctx context.Context) error { return a.lead(ctx, history, roster) }),
		"bootstrap":    a.whileMember(a.bootstrap),
		"phases":       a.execute,
		"deployed":     a.settle,
		"members":      a.whileMember(a.gossip),
		"identity":     care.Identity,
		"labels":       a.whileMember(care.Labels),
		"certificates": a.whileMember(care.Certificates),
		"follow":       func(ctx context.Context) error { return bootstrap.Follow(ctx, a.paths, a.node, a.log) },
		"repair":       a.whileMember(func(ctx context.Context) error { return bootstrap.Repair(ctx, a.paths, a.node, a.log) }),
	}
}

// serve lets all servers serve until the context ends, and returns when they have
// ended. The balancer goes last: others still need the API servers to end well, as
// does who gives up the leader's lease.
func (a *agent) serve(ctx context.Context, balance server, others map[string]server) {
	balanced, end := context.WithCancel(context.WithoutCancel(ctx))
	var balancing, serving sync.WaitGroup
	balancing.Go(func() { a.keep(balanced, "balancer", balance) })
	for name, serve := range others {
		serving.Go(func() { a.keep(ctx, name, serve) })
	}
	serving.Wait()
	end()
	balancing.Wait()
}

// execute executes phases for other nodes.
func (a *agent) execute(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", fmt.Sprintf(":%d", rpc.Port))
	if err != nil {
		return err
	}
	return rpc.Serve(ctx, listener, certificate.FilesOf(a.paths), a.host, a.log)
}

// keep lets a server serve until the context ends. One that fails is started again,
// and does not disturb the others.
func (a *agent) keep(ctx context.Context, name string, serve server) {
	for {
		err := serve(ctx)
		if ctx.Err() != nil {
			return
		}
		a.log.Error("a server has ended and is started again", "server", name, "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}

// balance passes connections of this node on to API servers.
func (a *agent) balance(ctx context.Context) error {
	return a.pass(ctx, kubeadm.Endpoint.String(), balancer.Options{
		Upstreams: func() ([]string, error) { return balancer.ReadMasters(a.paths.Masters()) },
		Check:     balancer.CheckReady,
	})
}

// bootstrap answers machines that want to join: a master by itself, another node
// by passing connections on to masters.
func (a *agent) bootstrap(ctx context.Context) error {
	if a.node.Master {
		return bootstrap.NewServer(a.paths, a.node, a.log).Serve(ctx)
	}
	return a.pass(ctx, fmt.Sprintf(":%d", bootstrap.Port), balancer.Options{
		Upstreams: func() ([]string, error) {
			masters, err := node.ReadMasters(a.paths)
			addresses := make([]string, 0, len(masters))
			for _, master := range masters {
				addresses = append(addresses, netip.AddrPortFrom(master, bootstrap.Port).String())
			}
			return addresses, err
		},
		Check: balancer.CheckListens,
	})
}

func (a *agent) pass(ctx context.Context, address string, options balancer.Options) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	options.Log = a.log
	return balancer.Serve(ctx, listener, options)
}

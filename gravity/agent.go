package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/balancer"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kubeadm"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
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

// runAgent balances connections to the API servers and executes phases for other
// nodes until it is told to stop, or to be another program.
func (g *globals) runAgent(command *cobra.Command) error {
	p, err := paths.New(g.stateDir)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(command.ErrOrStderr(), nil))
	if err := becomeDeployed(p); err != nil {
		log.Warn("the agent runs as the installed program", "error", err)
	}
	host, err := newAgentHost(p)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", kubeadm.Endpoint.String())
	if err != nil {
		return fmt.Errorf("balancer: %w", err)
	}
	ctx, cancel := context.WithCancel(command.Context())
	defer cancel()
	var running sync.WaitGroup
	running.Go(func() { serveAgent(ctx, host, log) })
	restart := false
	running.Go(func() {
		select {
		case <-ctx.Done():
		case <-host.restart:
			restart = true
			cancel()
		}
	})
	err = balancer.Serve(ctx, listener, balancer.Options{
		Upstreams: func() ([]string, error) { return balancer.ReadMasters(p.Masters()) },
		Check:     balancer.CheckReady,
		Log:       log,
	})
	cancel()
	running.Wait()
	if restart {
		return becomeAgent(p)
	}
	return err
}

package main

import (
	"fmt"
	"log/slog"
	"net"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/balancer"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kubeadm"
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

// runAgent balances connections to the API servers until it is told to stop.
func (g *globals) runAgent(command *cobra.Command) error {
	p, err := paths.New(g.stateDir)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", kubeadm.Endpoint.String())
	if err != nil {
		return fmt.Errorf("balancer: %w", err)
	}
	return balancer.Serve(command.Context(), listener, balancer.Options{
		Upstreams: func() ([]string, error) { return balancer.ReadMasters(p.Masters()) },
		Check:     balancer.CheckReady,
		Log:       slog.New(slog.NewTextHandler(command.ErrOrStderr(), nil)),
	})
}

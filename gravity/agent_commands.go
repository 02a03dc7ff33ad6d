package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/member"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/membership"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/rpc"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

const (
	// agentTimeout is how long all agents may take to become another program.
	agentTimeout = 5 * time.Minute
	// maxAgents is how many agents are asked at the same time.
	maxAgents = 10
)

// agentChange is gravity agent deploy, shutdown and status (S45, S46).
type agentChange struct {
	*globals
	format cli.Format
}

func newAgentDeployCommand(g *globals) *cobra.Command {
	a := &agentChange{globals: g}
	command := &cobra.Command{
		Use:   "deploy",
		Short: "Run this gravity as the agent of every node",
		Long: "Run this gravity as the agent of every node of the cluster, on a master. 'gravity agent shutdown' returns to\n" +
			"the installed one.",
		RunE: func(command *cobra.Command, _ []string) error {
			if a.format == cli.FormatText && !a.quiet {
				fmt.Fprintln(command.ErrOrStderr(), "Deploying agents on the cluster nodes")
			}
			program, err := os.Open("/proc/self/exe")
			if err != nil {
				return err
			}
			defer program.Close()
			digest, err := digestOf(program)
			if err != nil {
				return err
			}
			return a.each(command, func(ctx context.Context, client *rpc.Client) (*rpc.Info, error) { return deploy(ctx, client, digest) })
		},
	}
	cli.AddOutputFlag(command, &a.format)
	return command
}

func newAgentShutdownCommand(g *globals) *cobra.Command {
	a := &agentChange{globals: g}
	command := &cobra.Command{
		Use:   "shutdown",
		Short: "Run the installed gravity as the agent of every node again",
		RunE:  func(command *cobra.Command, _ []string) error { return a.each(command, shutdown) },
	}
	cli.AddOutputFlag(command, &a.format)
	return command
}

func newAgentStatusCommand(g *globals) *cobra.Command {
	a := &agentChange{globals: g}
	command := &cobra.Command{
		Use:   "status",
		Short: "Show the agents of all nodes",
		RunE: func(command *cobra.Command, _ []string) error {
			return a.each(command, func(ctx context.Context, client *rpc.Client) (*rpc.Info, error) { return client.Info(ctx) })
		},
	}
	cli.AddOutputFlag(command, &a.format)
	return command
}

// deploy sends this program, and waits until it is the agent.
func deploy(ctx context.Context, client *rpc.Client, digest string) (*rpc.Info, error) {
	program, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	defer program.Close()
	if err := client.Deploy(ctx, program, digest); err != nil {
		return nil, err
	}
	return waitAgent(ctx, client, func(info *rpc.Info) bool { return info.Digest == digest })
}

func shutdown(ctx context.Context, client *rpc.Client) (*rpc.Info, error) {
	if err := client.Shutdown(ctx); err != nil {
		return nil, err
	}
	return waitAgent(ctx, client, func(info *rpc.Info) bool { return !info.Deployed })
}

func waitAgent(ctx context.Context, client *rpc.Client, is func(*rpc.Info) bool) (*rpc.Info, error) {
	for {
		info, err := client.Info(ctx)
		if err == nil && is(info) {
			return info, nil
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// each does something with all agents and prints what they are then. It fails if
// one does.
func (a *agentChange) each(command *cobra.Command, do func(context.Context, *rpc.Client) (*rpc.Info, error)) error {
	p, err := paths.New(a.stateDir)
	if err != nil {
		return err
	}
	members, err := clusterMembers(command.Context(), p)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(command.Context(), agentTimeout, fmt.Errorf("not done after %s", agentTimeout))
	defer cancel()
	agents := make([]report.Agent, len(members))
	failed := make([]error, len(members))
	seen := make([][]rpc.Member, len(members))
	var group errgroup.Group
	group.SetLimit(maxAgents)
	for i, m := range members {
		group.Go(func() error {
			agents[i], seen[i], failed[i] = askAgent(ctx, p, m, do)
			return nil
		})
	}
	_ = group.Wait() // each error is that of one agent
	addMembership(agents, seen)
	if err := a.print(command, agents); err != nil {
		return err
	}
	return cli.WithHint(errors.Join(failed...), "see 'journalctl -u gravity-agent.service' on the node")
}

// clusterMembers lists the nodes, on a master.
func clusterMembers(ctx context.Context, p paths.Paths) ([]member.Member, error) {
	client, err := kube.Open(p.KubernetesFile("admin.conf"))
	if err != nil {
		return nil, cli.WithHint(fmt.Errorf("this operation can only be executed on one of the master nodes: %w", err), "run it on a master")
	}
	return member.List(ctx, client)
}

func askAgent(ctx context.Context, p paths.Paths, m member.Member, do func(context.Context, *rpc.Client) (*rpc.Info, error)) (report.Agent, []rpc.Member, error) {
	agent := report.Agent{Node: m.Hostname, Address: m.AdvertiseIP, State: report.AgentOffline}
	info, err := func() (*rpc.Info, error) {
		address, err := netip.ParseAddr(m.AdvertiseIP)
		if err != nil {
			return nil, err
		}
		client, err := rpc.Dial(certificate.FilesOf(p), rpc.AddressOf(address))
		if err != nil {
			return nil, err
		}
		defer client.Close()
		return do(ctx, client)
	}()
	if err != nil {
		agent.Error = err.Error()
		return agent, nil, fmt.Errorf("node %s: %w", m.Hostname, err)
	}
	agent.State, agent.Version, agent.Digest, agent.Deployed = report.AgentRunning, info.Version, info.Digest, info.Deployed
	return agent, info.Members, nil
}

// addMembership adds how the first agent that sees anybody sees the nodes.
func addMembership(agents []report.Agent, seen [][]rpc.Member) {
	i := slices.IndexFunc(seen, func(members []rpc.Member) bool { return len(members) > 0 })
	if i < 0 {
		return
	}
	for _, known := range seen[i] {
		for j := range agents {
			if agents[j].Address == known.Tags[membership.TagAddress] {
				agents[j].Membership = known.Status
			}
		}
	}
}

func (a *agentChange) print(command *cobra.Command, agents []report.Agent) error {
	out := command.OutOrStdout()
	if a.format == cli.FormatJSON {
		return cli.PrintJSON(out, report.Agents{Agents: agents})
	}
	table := tabwriter.NewWriter(out, 0, 10, 5, ' ', 0)
	fmt.Fprintln(table, "Node\tAddress\tState\tMembership\tVersion\tProgram")
	fmt.Fprintln(table, "----\t-------\t-----\t----------\t-------\t-------")
	for _, agent := range agents {
		program := "installed"
		if agent.Deployed {
			program = "deployed"
		}
		if agent.State != report.AgentRunning {
			program = "-"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", agent.Node, agent.Address, agent.State, orDash(agent.Membership), orDash(agent.Version), program)
	}
	return table.Flush()
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

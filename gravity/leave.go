package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/install"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/member"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/removal"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/rpc"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

// departure is what gravity leave and gravity remove have in common.
type departure struct {
	*globals
	force, confirmed bool
	format           cli.Format
}

func (d *departure) addFlags(command *cobra.Command, force string) {
	cli.AddOutputFlag(command, &d.format)
	command.Flags().BoolVar(&d.force, "force", false, force)
	command.Flags().BoolVar(&d.confirmed, "confirm", false, "do not ask")
}

// ask lets a person think again.
func (d *departure) ask(command *cobra.Command, host, address string) error {
	if d.confirmed {
		return nil
	}
	if address != "" {
		host += " (" + address + ")"
	}
	return confirm(command, "remove "+host, "Please confirm removing "+host+" from the cluster (yes/no): ")
}

// launched prints which operation removes the node.
func (d *departure) launched(command *cobra.Command, operationID, cluster string) error {
	out := command.OutOrStdout()
	switch {
	case d.format == cli.FormatJSON:
		return d.print(command, operationID, cluster, operation.InProgress)
	case d.quiet:
		_, err := fmt.Fprintln(out, operationID)
		return err
	}
	_, err := fmt.Fprintf(out, "launched operation %q, use 'gravity status' to poll its progress\n", operationID)
	return err
}

// print prints how an operation is, as an object.
func (d *departure) print(command *cobra.Command, operationID, cluster string, state operation.State) error {
	return cli.PrintJSON(command.OutOrStdout(), report.Operation{
		ID: operationID, Type: operation.TypeShrink, Cluster: cluster, State: string(state),
	})
}

// kept warns that the node's machine keeps what it has. The hint says where, and when,
// that is removed.
func (d *departure) kept(command *cobra.Command, host, hint string) {
	d.warn(command, d.format, fmt.Sprintf("node %s does not answer, and keeps its software and data: run 'gravity leave --force' %s", host, hint))
}

// leave is gravity leave (S21 to S23).
type leave struct {
	departure
	// wipe is globals.removeAll, which leaves a member that masters do not let go;
	// depart is the function of that name.
	wipe   func(ctx context.Context, p paths.Paths, out io.Writer, log logger) error
	depart func(ctx context.Context, p paths.Paths, master netip.Addr, request rpc.Departure) (*rpc.Departing, error)
}

func newLeave(d departure) *leave {
	wipe := func(ctx context.Context, p paths.Paths, out io.Writer, log logger) error {
		return d.removeAll(ctx, p, false, out, log)
	}
	return &leave{departure: d, wipe: wipe, depart: depart}
}

func newLeaveCommand(g *globals) *cobra.Command {
	l := newLeave(departure{globals: g})
	command := &cobra.Command{
		Use:   "leave",
		Short: "Remove this node from the cluster, and the cluster from this node",
		Long: "Remove this node from the cluster, and the cluster with all its software and data from this node.\n" +
			"A master that stays does it; the command prints the operation and does not wait for its end.",
		RunE: l.run,
	}
	l.addFlags(command, "remove the local state also if there is no cluster that works; on the last node, remove the cluster")
	return command
}

// What the original said, and users know.
var (
	errNoCluster = errors.New("no running cluster detected, please use --force flag to clean up the local state")
	errNoPart    = errors.New("this server is not a part of the running cluster, please use --force flag to clean up the local state")
)

func (l *leave) run(command *cobra.Command, _ []string) error {
	if os.Geteuid() != 0 {
		return cli.WithHint(errors.New("gravity leave needs root"), "run it with sudo")
	}
	p, err := paths.New(l.stateDir)
	if err != nil {
		return err
	}
	n, err := node.Read(p)
	if errors.Is(err, fs.ErrNotExist) {
		return l.leaveNothing(command, p)
	}
	if err != nil {
		if !l.force {
			return cli.WithHint(err, "remove Gravity from this machine with --force")
		}
		return l.clean(command, p, "")
	}
	others, err := otherMasters(p, n)
	if err != nil && !l.force {
		return err
	}
	if len(others) == 0 {
		return l.leaveLast(command, p, n)
	}
	return l.leaveCluster(command, p, n, others)
}

// otherMasters are those that this node knows, besides itself.
func otherMasters(p paths.Paths, n *node.Node) ([]netip.Addr, error) {
	known, err := node.ReadMasters(p)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(known, func(address netip.Addr) bool { return address == n.Address }), nil
}

// leaveNothing cleans up after an installation that failed early.
func (l *leave) leaveNothing(command *cobra.Command, p paths.Paths) error {
	if !p.Used() {
		return cli.WithHint(fmt.Errorf("this machine is not a node of a cluster: nothing of Gravity is in %s", p.Root),
			"name the state folder with --state-dir")
	}
	if !l.force {
		return errNoCluster
	}
	return l.clean(command, p, "")
}

// clean removes everything from this machine.
func (l *leave) clean(command *cobra.Command, p paths.Paths, address string) error {
	host, err := install.HostName()
	if err != nil {
		return err
	}
	if err := l.ask(command, host, address); err != nil {
		return err
	}
	return l.remove(command, p)
}

// remove removes everything from this machine, unless an operation is being executed.
func (l *leave) remove(command *cobra.Command, p paths.Paths) error {
	release, err := l.hold(command.Context(), p)
	if err != nil {
		return err
	}
	defer release()
	cluster := ""
	if n, err := node.Read(p); err == nil {
		cluster = n.Cluster
	}
	if err := l.wipe(command.Context(), p, l.told(command, l.format), l.log(command, l.format)); err != nil {
		return cli.WithHint(fmt.Errorf("remove Gravity from this machine: %w", err), "repeat it; it goes on where it stopped")
	}
	if l.format == cli.FormatJSON {
		return l.print(command, "", cluster, operation.Completed)
	}
	return nil
}

// answerTimeout is how long a cluster may take to say that it is there.
const answerTimeout = 15 * time.Second

// leaveLast removes the only node of a cluster, or the only master, which other
// nodes still need.
func (l *leave) leaveLast(command *cobra.Command, p paths.Paths, n *node.Node) error {
	members, err := l.members(command.Context(), p)
	switch {
	case err != nil && !l.force:
		return cli.WithHint(errNoCluster, "the API server does not answer: %v", err)
	case err == nil && len(members) > 1:
		return l.refused(cli.WithHint(errors.New("cannot remove the last master server"),
			"join another master before, or remove the other nodes before, and then use 'gravity leave --force' here"))
	case err == nil && !l.force:
		return removal.LastNode()
	}
	return l.clean(command, p, n.Address.String())
}

func (l *leave) members(ctx context.Context, p paths.Paths) ([]member.Member, error) {
	client, err := kube.Open(p.KubernetesFile("admin.conf"))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	return member.List(ctx, client)
}

// leaveCluster asks the other masters, one after the other, to remove this node. One that
// could not find out whether it can is no answer: it may be the cluster's last one.
func (l *leave) leaveCluster(command *cobra.Command, p paths.Paths, n *node.Node, masters []netip.Addr) error {
	if err := l.ask(command, n.Name, n.Address.String()); err != nil {
		return err
	}
	ctx := command.Context()
	var found []string
	for _, master := range masters {
		answer, err := l.depart(ctx, p, master, rpc.Departure{Node: n.Name, Force: l.force})
		switch {
		case err == nil && answer.Kept:
			l.kept(command, n.Name, "here when it is no member any more")
			return l.launched(command, answer.OperationID, n.Cluster)
		case err == nil:
			return l.launched(command, answer.OperationID, n.Cluster)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, rpc.ErrNotMember) && l.force:
			return l.remove(command, p)
		case errors.Is(err, rpc.ErrNotMember):
			return errNoPart
		case errors.Is(err, rpc.ErrRefused):
			return l.refused(err)
		}
		found = append(found, fmt.Sprintf("master %s: %v", master, err))
		found = append(found, cli.Hints(err)...)
	}
	if !l.force {
		return &cli.Error{Err: errNoCluster, Hints: found}
	}
	if err := l.remove(command, p); err != nil {
		return err
	}
	out := l.told(command, l.format)
	for _, line := range found {
		fmt.Fprintln(out, line)
	}
	fmt.Fprintf(out, "No other master could remove the node. If the cluster still works, run 'gravity remove %s --force' on one.\n", n.Name)
	return nil
}

// refused adds the way out where the cluster does not let this node go.
func (l *leave) refused(err error) error {
	if !l.force || cli.ExitCode(err) == cli.ExitBusy {
		return err
	}
	return cli.WithHint(err, "if the cluster is gone for good: %s", uninstallHint)
}

// uninstallHint is what always helps.
const uninstallHint = "'gravity system uninstall --confirm' removes Gravity from this machine, and nothing from the cluster"

func depart(ctx context.Context, p paths.Paths, master netip.Addr, request rpc.Departure) (*rpc.Departing, error) {
	client, err := rpc.Dial(certificate.FilesOf(p), rpc.AddressOf(master))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return client.Depart(ctx, request)
}

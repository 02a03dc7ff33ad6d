package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/bootstrap"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/expand"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/install"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/version"
)

// joining is the command line of gravity join (S13).
type joining struct {
	planChange
	token, advertise, role, cloud string
	mounts, skipChecks            []string
	manual, resume, force         bool
	phase                         string
}

func newJoinCommand(g *globals) *cobra.Command {
	j := &joining{planChange: planChange{globals: g, steps: true, only: operation.TypeExpand}}
	command := &cobra.Command{
		Use:   "join PEER...",
		Short: "Make this machine a node of a cluster",
		Long: "Make this machine a node of a cluster that one or more of its nodes are named of, separated by spaces or commas.\n" +
			"Everything but this program comes from the cluster. What it does is listed by 'gravity plan'; what was interrupted goes on with --resume.",
		Args: cobra.ArbitraryArgs,
		RunE: func(command *cobra.Command, args []string) error { return j.run(command, args) },
	}
	j.addFlags(command)
	return command
}

func (j *joining) addFlags(command *cobra.Command) {
	j.planChange.addFlags(command)
	flags := command.Flags()
	flags.StringVar(&j.token, "token", "", "the cluster's join token, as @FILE to read it from a file")
	flags.StringVar(&j.advertise, "advertise-addr", "", "IP address of this machine that other nodes reach (default: that of the default route)")
	flags.StringVar(&j.role, "role", "", "node profile of this machine (default: the first that suits)")
	flags.StringVar(&j.cloud, "cloud-provider", "", "generic, aws or gce; recorded, and without effect on Kubernetes (default: the cluster's)")
	flags.StringArrayVar(&j.mounts, "mount", nil, "NAME:PATH: folder of this machine for a volume of the node profile")
	flags.StringArrayVar(&j.skipChecks, "skip-check", nil, "name of a check to skip, as 'gravity check' prints it; can be repeated")
	flags.BoolVar(&j.manual, "manual", false, "make the plan and execute nothing")
	flags.BoolVar(&j.resume, "resume", false, "go on with a join that was interrupted")
	flags.StringVar(&j.phase, "phase", "", "execute one phase of the plan")
	flags.BoolVar(&j.force, "force", false, "with --phase, execute it whatever its state is")
	command.MarkFlagsMutuallyExclusive("manual", "resume", "phase")
}

func (j *joining) run(command *cobra.Command, args []string) error {
	if err := j.checkFlags(command, args); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return cli.WithHint(errors.New("gravity join needs root"), "run it with sudo")
	}
	if j.resume || j.phase != "" {
		return j.change(command, func(ctx context.Context, engine *operation.Engine) error {
			if j.phase != "" {
				return engine.Execute(ctx, j.phase, j.force)
			}
			return engine.Resume(ctx)
		})
	}
	plan, err := j.plan(command.Context(), args)
	if err != nil {
		return err
	}
	if j.manual {
		return j.printManual(command, plan)
	}
	err = j.changeOperation(command, plan, func(ctx context.Context, engine *operation.Engine) error { return engine.Resume(ctx) })
	if err != nil {
		return cli.WithHint(err, "go on with 'gravity join --resume' when the cause is gone, or give up with 'gravity leave --force'")
	}
	if j.quiet && j.format == cli.FormatText {
		_, err := fmt.Fprintln(command.OutOrStdout(), plan.OperationID)
		return err
	}
	return j.print(command, plan.OperationID)
}

// checkFlags refuses flags that would have no effect: a plan that was made has decided
// everything.
func (j *joining) checkFlags(command *cobra.Command, args []string) error {
	if j.force && j.phase == "" {
		return cli.Usagef("--force is for --phase alone")
	}
	if !j.resume && j.phase == "" {
		return nil
	}
	const anew = "to join otherwise, give this join up with 'gravity leave --force' and begin anew"
	if len(args) > 0 {
		return cli.WithHint(cli.Usagef("%s is of no use with --resume and --phase: the plan knows the masters", args[0]), anew)
	}
	for _, name := range []string{"token", "advertise-addr", "role", "cloud-provider", "mount", "skip-check"} {
		if command.Flags().Changed(name) {
			return cli.WithHint(cli.Usagef("--%s is of no use with --resume and --phase: the plan has decided that", name), anew)
		}
	}
	return nil
}

// printManual tells what to do with a plan that was only made.
func (p *planChange) printManual(command *cobra.Command, plan *operation.Plan) error {
	if p.format == cli.FormatJSON {
		return p.print(command, plan.OperationID)
	}
	fmt.Fprintln(p.told(command, p.format), "The plan is made: see it with 'gravity plan', execute it with 'gravity plan execute --phase=PHASE'")
	_, err := fmt.Fprintln(command.OutOrStdout(), plan.OperationID)
	return err
}

// plan reads the command line, asks a master to be let in, and stores the plan.
func (j *joining) plan(ctx context.Context, args []string) (*operation.Plan, error) {
	p, err := paths.New(j.stateDir)
	if err != nil {
		return nil, err
	}
	if err := install.CheckRemoval(); err != nil {
		return nil, err
	}
	if err := install.CheckStateFolder(p); err != nil {
		return nil, err
	}
	if err := j.refuseAgain(ctx, p); err != nil {
		return nil, err
	}
	peers, err := parsePeers(args)
	if err != nil {
		return nil, err
	}
	if j.cloud != "" && !slices.Contains([]string{"generic", "aws", "gce"}, j.cloud) {
		return nil, cli.Usagef("--cloud-provider: %q is not generic, aws or gce", j.cloud)
	}
	given, err := readToken(j.token)
	if err != nil {
		return nil, err
	}
	if j.token == "" {
		return nil, cli.WithHint(cli.Usagef("a join token is missing"), "give the one that 'gravity status' shows on a master with --token")
	}
	request := bootstrap.Request{Operation: operation.NewID(), Role: j.role}
	if request.Name, err = install.HostName(); err != nil {
		return nil, err
	}
	if request.Address, err = parseAdvertise(j.advertise); err != nil {
		return nil, err
	}
	entry, err := expand.Enter(ctx, peers, given, request)
	if err != nil {
		return nil, err
	}
	plan, err := j.store(ctx, p, request, entry)
	if err != nil {
		return nil, errors.Join(err, entry.Abandon(ctx))
	}
	return plan, nil
}

// store makes the plan of what the master has answered, and stores it with the
// node's certificate.
func (j *joining) store(ctx context.Context, p paths.Paths, request bootstrap.Request, answer *expand.Entry) (*operation.Plan, error) {
	m, _, err := manifest.Parse(bundle.NameManifest, bytes.NewReader(answer.Manifest))
	if err != nil {
		return nil, err
	}
	facts := answer.Cluster
	settings := &expand.Settings{
		Node: node.Node{
			Cluster: facts.Name, Name: request.Name, Address: request.Address, Role: answer.Role, Master: answer.Master,
			Runtime: facts.Runtime, Application: facts.Application, Version: facts.Version, CloudProvider: j.cloud,
			PodNetwork: facts.PodNetwork, CertificateLifetime: facts.CertificateLifetime,
		},
		Cluster: facts, View: answer.View, Size: answer.Size, SkipChecks: j.skipChecks, ChecksOff: checksOff(),
	}
	if j.cloud == "" {
		settings.Node.CloudProvider = facts.CloudProvider
	}
	if settings.Node.Mounts, err = mounts(m, answer.Role, j.mounts); err != nil {
		return nil, err
	}
	profile, _ := m.Profile(answer.Role)
	if err := install.CheckSkipped(profile, j.skipChecks); err != nil {
		return nil, err
	}
	plan, err := expand.NewPlan(request.Operation, version.Get().Version, settings, m, time.Now())
	if err != nil {
		return nil, err
	}
	exclusive, err := j.operations().Exclusive(ctx)
	if err != nil {
		return nil, err
	}
	defer exclusive.Close()
	// Another join may have begun meanwhile.
	if err := j.refuseAgain(ctx, p); err != nil {
		return nil, err
	}
	if err := answer.Write(p); err != nil {
		return nil, err
	}
	if err := paths.WriteFile(p.Resources(request.Operation), answer.Manifest, 0o600); err != nil {
		return nil, err
	}
	return plan, j.operations().Create(ctx, plan)
}

// refuseAgain fails if this machine is a node, or is becoming one.
func (j *joining) refuseAgain(ctx context.Context, p paths.Paths) error {
	return refuseNode(ctx, j.globals, p, operation.TypeExpand, func(cluster string) error {
		return cli.WithHint(fmt.Errorf("this machine is joining cluster %s already", cluster),
			"go on with 'gravity join --resume', or give up with 'gravity leave --force'")
	})
}

// parsePeers reads addresses of nodes, with the port of their agents if none is
// named.
func parsePeers(args []string) ([]string, error) {
	list := strings.Join(args, ",")
	if list == "" {
		return nil, cli.WithHint(cli.Usagef("the address of a node is missing"), "name one: gravity join ADDRESS --token=TOKEN")
	}
	var peers []string
	for peer := range strings.SplitSeq(list, ",") {
		peer = strings.TrimSpace(peer)
		if peer == "" || strings.ContainsAny(peer, "/ @") {
			return nil, cli.Usagef("%q is not the address of a node", peer)
		}
		if _, _, err := net.SplitHostPort(peer); err != nil {
			peer = net.JoinHostPort(peer, fmt.Sprint(bootstrap.Port))
		}
		peers = append(peers, peer)
	}
	return peers, nil
}

// parseAdvertise reads --advertise-addr, or finds the address of this machine.
func parseAdvertise(text string) (netip.Addr, error) {
	if text == "" {
		return install.AdvertiseAddress()
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return address, cli.Usagef("--advertise-addr: %w", err)
	}
	return address, install.CheckAddress(address)
}

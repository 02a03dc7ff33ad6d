// Package removal takes a node out of its cluster, and the cluster off the node:
// the plan of operation_shrink and its executors. A master that stays executes
// the plan, in a unit of its own, since the node that leaves cannot finish what
// removes it; the node's agent starts the last step there.
package removal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/etcd"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/member"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/rpc"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// Request says which node to remove.
type Request struct {
	// Node is its host name, its name in Kubernetes or its address.
	Node string
	// Force removes a node that does not answer, and goes on where draining it, or
	// a hook, fails.
	Force bool
}

// situation is what the removal of a node depends on.
type situation struct {
	name    string
	state   string
	members []member.Member
	etcd    []etcd.Member
	// records are what the cluster keeps of nodes, by their names.
	records map[string]member.Record
	// silent are nodes whose agents do not answer, with the reasons, by address.
	silent map[string]error
	// hooks tells which hooks the application has.
	hooks map[manifest.HookName]bool
	// record is the cluster's. earlier is the ID of an operation that removes the
	// same node and that this one takes over; empty if there is none.
	record  *record
	earlier string
}

// ErrLastNode is about the only node of a cluster.
var ErrLastNode = errors.New("it is the only node of the cluster")

// NewPlan makes the plan to remove a node, on a master that stays, or says why
// the node cannot be removed. The error is rpc.ErrNotMember if it is none.
func NewPlan(ctx context.Context, p paths.Paths, request Request, gravityVersion string) (*operation.Plan, error) {
	n, err := node.Read(p)
	if err != nil {
		return nil, err
	}
	if !n.Master {
		return nil, cli.WithHint(errors.New("this operation can only be executed on one of the master nodes"),
			"run it on a master, or 'gravity leave' on the node that is removed")
	}
	found, err := look(ctx, p, n, request)
	if err != nil {
		return nil, err
	}
	lead, leaving, err := found.choose(n, request)
	if err != nil {
		return nil, err
	}
	if err := found.check(*leaving, request); err != nil {
		return nil, err
	}
	return found.plan(operation.NewID(), gravityVersion, lead.Server, *leaving, request.Force, time.Now())
}

// look finds out how the cluster is.
func look(ctx context.Context, p paths.Paths, n *node.Node, request Request) (*situation, error) {
	client, err := kube.Open(p.KubernetesFile("admin.conf"))
	if err != nil {
		return nil, err
	}
	c := &situation{name: n.Cluster, hooks: map[manifest.HookName]bool{}}
	if c.members, err = member.List(ctx, client); err != nil {
		return nil, cli.WithHint(err, "see 'gravity status'; the cluster has to work to remove a node from it")
	}
	if c.records, err = member.Records(ctx, client); err != nil {
		return nil, err
	}
	if c.etcd, err = etcd.New(container.New(p)).Members(ctx, true); err != nil {
		return nil, err
	}
	facts, err := cluster.Read(ctx, client)
	if err != nil {
		return nil, err
	}
	if c.record, err = readRecord(ctx, client); err != nil {
		return nil, err
	}
	c.state = c.record.state
	c.takeOver(request.Node)
	m, err := applicationOf(p, n, client, facts, nil).Manifest(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the application's manifest: %w", err)
	}
	for name := range m.Hooks {
		c.hooks[name] = true
	}
	asked := c.members
	if forgotten := c.forgotten(request.Node); forgotten != nil && !c.present(forgotten.Server) {
		asked = append(slices.Clone(asked), *forgotten)
	}
	c.silent = silent(ctx, p, asked)
	if request.Force {
		c.listen(ctx, request.Node, func(ctx context.Context, m member.Member) error { return ask(ctx, p, m) })
	}
	return c, nil
}

// silent asks all agents at the same time which of them do not answer.
func silent(ctx context.Context, p paths.Paths, members []member.Member) map[string]error {
	type answer struct {
		address string
		err     error
	}
	answers := make(chan answer, len(members))
	for _, m := range members {
		go func() { answers <- answer{m.AdvertiseIP, ask(ctx, p, m)} }()
	}
	found := map[string]error{}
	for range members {
		if got := <-answers; got.err != nil {
			found[got.address] = got.err
		}
	}
	return found
}

// listenTime is how long the agent of a node is asked again that is to be removed by
// force, though its kubelet reports: it may be starting anew.
const listenTime = 20 * time.Second

// listen asks the agent of a node again: one that does not answer costs the machine the
// removal of its software.
func (c *situation) listen(ctx context.Context, name string, ask func(context.Context, member.Member) error) {
	i := slices.IndexFunc(c.members, func(m member.Member) bool { return m.Called(name) })
	if i < 0 || !c.members[i].Ready {
		return
	}
	address := c.members[i].AdvertiseIP
	for began := time.Now(); c.silent[address] != nil && time.Since(began) < listenTime; {
		if pause(ctx) != nil {
			return
		}
		if ask(ctx, c.members[i]) == nil {
			delete(c.silent, address)
		}
	}
}

func ask(ctx context.Context, p paths.Paths, m member.Member) error {
	address, err := m.Address()
	if err != nil {
		return err
	}
	client, err := rpc.Dial(certificate.FilesOf(p), rpc.AddressOf(address))
	if err != nil {
		return err
	}
	defer client.Close()
	info, err := client.Info(ctx)
	if err == nil && info.Node != "" && info.Node != m.Nodename {
		return fmt.Errorf("the machine at %s is node %s", m.AdvertiseIP, info.Node)
	}
	return err
}

// takeOver makes the removal of a node this operation's that another master has
// begun and cannot end.
func (c *situation) takeOver(node string) {
	if c.state == stateShrinking && c.record.leaving.of(node) {
		c.earlier = c.record.operation
	}
}

// choose finds the node that leaves, and this one, which stays.
func (c *situation) choose(n *node.Node, request Request) (lead, leaving *member.Member, err error) {
	for i := range c.members {
		m := &c.members[i]
		if m.Called(request.Node) {
			if leaving != nil {
				return nil, nil, rpc.Refuse(fmt.Errorf("both %s and %s are called %s; use an address", leaving.Nodename, m.Nodename, request.Node))
			}
			leaving = m
		}
		if m.Nodename == n.Name {
			lead = m
		}
	}
	if leaving == nil {
		leaving = c.forgotten(request.Node)
	}
	if leaving == nil {
		var names []string
		for _, m := range c.members {
			names = append(names, fmt.Sprintf("%s (%s)", m.Hostname, m.AdvertiseIP))
		}
		return nil, nil, cli.WithHint(fmt.Errorf("node %q is %w", request.Node, rpc.ErrNotMember), "its nodes are: %s", strings.Join(names, ", "))
	}
	if lead == nil { // which says nothing of the node that leaves
		return nil, nil, cli.WithHint(fmt.Errorf("this master, %s, is not known to Kubernetes", n.Name),
			"register it again with 'gravity system register', or use another master")
	}
	if len(c.members) == 1 && lead.Nodename == leaving.Nodename {
		return nil, nil, rpc.Refuse(LastNode())
	}
	if lead == leaving {
		return nil, nil, rpc.Refuse(c.checkMaster(*leaving, errors.New("a node cannot remove itself")))
	}
	return lead, leaving, nil
}

// LastNode is why the only node cannot be removed, and what removes it.
func LastNode() error {
	return cli.WithHint(fmt.Errorf("cannot remove the last master server: %w", ErrLastNode),
		"'gravity leave --force' on it removes the cluster with the application and all data")
}

// check says why a node cannot be removed: rpc.ErrRefused if another master would, too.
func (c *situation) check(leaving member.Member, request Request) error {
	if !slices.Contains(states, c.state) && c.earlier == "" {
		return busy(c.state, c.record, leaving.Nodename)
	}
	if leaving.IsMaster() {
		if err := c.checkMaster(leaving, nil); err != nil {
			return rpc.Refuse(err)
		}
	}
	if request.Force || c.earlier != "" {
		return nil
	}
	if err := c.silent[leaving.AdvertiseIP]; err != nil {
		return cli.WithHint(fmt.Errorf("node %s (%s) is not reachable: %w", leaving.Hostname, leaving.AdvertiseIP, err),
			"start the machine, or remove the node for good with --force")
	}
	return nil
}

// checkMaster refuses what would cost the cluster its last master or the quorum
// of etcd. If it can be removed, the other error counts.
func (c *situation) checkMaster(leaving member.Member, otherwise error) error {
	staying := slices.ContainsFunc(c.members, func(m member.Member) bool { return m.IsMaster() && m.Nodename != leaving.Nodename })
	if !staying {
		return cli.WithHint(errors.New("cannot remove the last master server"),
			"join another master before, or remove the other nodes before and use 'gravity leave --force' on this one")
	}
	address, _ := leaving.Address()
	i := slices.IndexFunc(c.etcd, func(m etcd.Member) bool { return m.At(leaving.Nodename, address) })
	if i < 0 {
		return otherwise // an earlier attempt came so far
	}
	err := etcd.CheckRemoval(c.etcd, c.etcd[i])
	if quorum, ok := errors.AsType[*etcd.QuorumError](err); ok {
		ill := "one"
		if len(quorum.Ill) > 0 {
			ill = quorum.Ill[0]
		}
		return cli.WithHint(fmt.Errorf("cannot remove master %s: %w", leaving.Hostname, err),
			"bring the masters back that are not healthy, or remove those before: 'gravity remove %s --force'", ill)
	}
	return errors.Join(err, otherwise)
}

// settings are what executors know of the removal.
type settings struct {
	// Node leaves; Lead is the master that executes the plan.
	Node operation.Server `json:"node"`
	Lead operation.Server `json:"lead"`
	// Address is the node's.
	Address netip.Addr `json:"address"`
	// Force goes on where a hook or the drain fails.
	Force bool `json:"force,omitempty"`
	// Silent tells that the node's agent does not answer.
	Silent bool `json:"silent,omitempty"`
	// Earlier is the operation of another master that this one takes over.
	Earlier string `json:"earlier,omitempty"`
}

func (c *situation) settings(lead operation.Server, leaving member.Member, force bool) (json.RawMessage, error) {
	address, err := leaving.Address()
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", leaving.Nodename, err)
	}
	s := settings{
		Node: leaving.Server, Lead: lead, Address: address, Force: force,
		Silent: c.silent[leaving.AdvertiseIP] != nil, Earlier: c.earlier,
	}
	return json.Marshal(s)
}

// outdated tells whether the node was removed after a plan for it was made, though not
// by an operation that the plan takes over: what has its name now is another node. A
// zero time is no removal.
func (s *settings) outdated(plan *operation.Plan, removed time.Time) bool {
	return s.Earlier == "" && removed.After(plan.CreatedAt)
}

package health

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

const (
	// peerInterval is the time between questions to other nodes, peerTimeout how long
	// each may take to answer, and maxPeers how many are asked at a time.
	peerInterval = 10 * time.Second
	peerTimeout  = 3 * time.Second
	maxPeers     = 16
)

// Peers is the health of the other nodes of the cluster, for a master.
type Peers struct {
	// List lists the nodes of the cluster but this one, as the membership sees
	// them; a member's status is empty if they do not. It is never called by two
	// goroutines. After an error the last list stays.
	List func(context.Context) ([]report.Member, error)
	// Ask asks the agent of a node how that is.
	Ask func(ctx context.Context, address netip.Addr) (report.NodeHealth, error)

	listing sync.Mutex
	mu      sync.Mutex
	members []report.Member
	last    []report.NodeHealth
}

// Run asks from time to time until the context ends.
func (p *Peers) Run(ctx context.Context) {
	for ctx.Err() == nil {
		p.Check(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(peerInterval):
		}
	}
}

// Last is what was found last, by the nodes' names.
func (p *Peers) Last() []report.NodeHealth {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// Check asks all nodes at the same time. The state of those that do not answer is
// unknown.
func (p *Peers) Check(ctx context.Context) []report.NodeHealth {
	members := p.list(ctx)
	found := make([]report.NodeHealth, len(members))
	var asking errgroup.Group
	asking.SetLimit(maxPeers)
	for i, member := range members {
		asking.Go(func() error {
			found[i] = p.ask(ctx, member)
			return nil
		})
	}
	_ = asking.Wait() // no error is returned
	slices.SortFunc(found, func(a, b report.NodeHealth) int { return strings.Compare(a.Name, b.Name) })
	if ctx.Err() == nil {
		p.mu.Lock()
		p.last = found
		p.mu.Unlock()
	}
	return found
}

func (p *Peers) list(ctx context.Context) []report.Member {
	ctx, cancel := context.WithTimeout(ctx, peerTimeout)
	defer cancel()
	p.listing.Lock()
	defer p.listing.Unlock()
	members, err := p.List(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.members = members
	}
	return p.members
}

func (p *Peers) ask(ctx context.Context, member report.Member) report.NodeHealth {
	silent := report.NodeHealth{Name: member.Name, MemberStatus: member, Probes: []report.Probe{}, Status: report.HealthUnknown}
	silent.MemberStatus.Status = cmp.Or(member.Status, "failed")
	address, err := netip.ParseAddrPort(member.Addr)
	if err != nil {
		return silent
	}
	ctx, cancel := context.WithTimeout(ctx, peerTimeout)
	defer cancel()
	found, err := p.Ask(ctx, address.Addr())
	if err != nil {
		return silent
	}
	// What others see of a node, only they know.
	found.MemberStatus.Status = cmp.Or(member.Status, found.MemberStatus.Status)
	return found
}

package health

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

const (
	// Interval is the time between rounds of probes (S34).
	Interval = 30 * time.Second
	// illInterval is the same while the node is not well, so that it is known soon
	// when it is, and pulseInterval is how often its pulse is felt.
	illInterval   = 10 * time.Second
	pulseInterval = time.Second
	// settleTime is how long a node may take to come up after the agent has
	// started, before its history says that it is degraded.
	settleTime = 5 * time.Minute
	// maxAge is how old the result of a round may be.
	maxAge = 2 * time.Minute
	// MembershipPort is that of the membership service.
	MembershipPort = 7496
)

// Monitor probes this node from time to time, knows the last result, and
// records what changes.
type Monitor struct {
	// Node returns what the node is, and Checkers what to check on it; both are
	// called before each round.
	Node     func() (*node.Node, error)
	Checkers func(*node.Node) []Checker
	// Pulse changes when it is likely that the node is not as it was; nil for none.
	// It is called every second.
	Pulse func() string
	// Peers are the other nodes; nil for none.
	Peers *Peers
	// History receives changes.
	History *History
	// Log receives what cannot be recorded.
	Log *slog.Logger

	once   sync.Once
	round  chan struct{} // held by the round that is being made
	runner Runner

	mu   sync.Mutex
	last report.NodeHealth

	// Only the round has these.
	settled bool
	began   time.Time
	failing map[string]bool
}

func (m *Monitor) init() {
	m.once.Do(func() { m.round = make(chan struct{}, 1) })
}

// Run makes a round every Interval, and whenever something seems to have happened,
// until the context ends.
func (m *Monitor) Run(ctx context.Context) {
	for ctx.Err() == nil {
		pulse := m.pulse()
		result, err := m.Check(ctx)
		if err != nil && ctx.Err() == nil {
			m.Log.Warn("cannot probe this node", "error", err)
		}
		interval := Interval
		if result.Status != report.HealthRunning {
			interval = illInterval
		}
		m.wait(ctx, pulse, time.After(interval))
	}
}

// wait waits until the time has come, or the pulse is another one.
func (m *Monitor) wait(ctx context.Context, pulse string, until <-chan time.Time) {
	feel := time.NewTicker(pulseInterval)
	defer feel.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-until:
			return
		case <-feel.C:
			if m.pulse() != pulse {
				return
			}
		}
	}
}

func (m *Monitor) pulse() string {
	if m.Pulse == nil {
		return ""
	}
	return m.Pulse()
}

// Last is the result of the last round. If that was too long ago, nobody knows how
// the node is.
func (m *Monitor) Last() report.NodeHealth {
	m.mu.Lock()
	defer m.mu.Unlock()
	last := m.last
	if last.Status == "" {
		return report.NodeHealth{Status: report.HealthUnknown, Probes: []report.Probe{}, MemberStatus: report.Member{Tags: map[string]string{}}}
	}
	if time.Since(last.Checked) > maxAge {
		return outdated(last)
	}
	return last
}

// outdated is what an old result still says: which node it was of.
func outdated(found report.NodeHealth) report.NodeHealth {
	err := unknown{fmt.Errorf("the agent has ended no round of probes since the one of %s; see 'journalctl -u gravity-agent' and 'dmesg' there",
		found.Checked.UTC().Format(time.DateTime))}
	found.Probes = []report.Probe{probeOf(Agent, "", err)}
	found.Status = report.HealthUnknown
	return found
}

// Check returns the result of a round that began after it was called. However
// many ask, one round is made at a time, and those who waited for it share the
// next.
func (m *Monitor) Check(ctx context.Context) (report.NodeHealth, error) {
	m.init()
	asked := time.Now()
	select {
	case m.round <- struct{}{}:
	case <-ctx.Done():
		return report.NodeHealth{}, context.Cause(ctx)
	}
	defer func() { <-m.round }()
	if last := m.Last(); last.Checked.After(asked) {
		return last, nil
	}
	n, err := m.Node()
	if err != nil {
		return report.NodeHealth{}, err
	}
	result := Local(n, m.Checkers(n), func(checkers []Checker) []report.Probe { return m.runner.Run(ctx, checkers) })
	if ctx.Err() != nil {
		return result, context.Cause(ctx) // its probes failed for that alone
	}
	m.mu.Lock()
	m.last = result
	m.mu.Unlock()
	if err := m.record(n.Name, result); err != nil {
		m.Log.Warn("cannot record changes", "error", err)
	}
	return result, nil
}

// Local is the health of this node.
func Local(n *node.Node, checkers []Checker, run func([]Checker) []report.Probe) report.NodeHealth {
	role := "node"
	if n.Master {
		role = "master"
	}
	name := strings.NewReplacer(".", "_", ":", "_").Replace(n.Address.String()) + "." + n.Cluster
	began := time.Now()
	probes := run(checkers)
	return report.NodeHealth{
		Name: name, Checked: began, Probes: probes, Status: StatusOf(probes),
		MemberStatus: report.Member{
			Addr: netip.AddrPortFrom(n.Address, MembershipPort).String(), Name: name, Status: "alive",
			Tags: map[string]string{"publicip": n.Address.String(), "role": role, "nodename": n.Name},
		},
	}
}

// record appends what has changed. Until the node was well for the first time,
// or has had time to come up, nothing is recorded: every boot would be a list of
// failures.
func (m *Monitor) record(name string, result report.NodeHealth) error {
	if m.failing == nil {
		events, err := ReadHistory(m.History.file)
		if err != nil {
			return err
		}
		m.failing, m.began = failing(events, name), result.Checked
	}
	if !m.settled && result.Status != report.HealthRunning && result.Checked.Sub(m.began) < settleTime {
		return nil
	}
	m.settled = true
	var events []report.HealthEvent
	add := func(kind, checker, message string) {
		events = append(events, report.HealthEvent{
			Time: result.Checked.UTC().Truncate(time.Second), Type: kind, Node: name, Checker: checker, Error: message,
		})
	}
	for _, probe := range result.Probes {
		fails := probe.Status != report.HealthRunning
		switch {
		case fails == m.failing[probe.Checker]:
		case fails:
			add(ProbeFailed, probe.Checker, probe.Error)
		default:
			add(ProbeSucceeded, probe.Checker, "")
		}
		m.failing[probe.Checker] = fails
	}
	degraded := result.Status != report.HealthRunning
	if degraded != m.failing[""] {
		kind := NodeRecovered
		if degraded {
			kind = NodeDegraded
		}
		add(kind, "", "")
	}
	m.failing[""] = degraded
	return m.History.Append(events...)
}

// Package membership is how the agents of a cluster's nodes see each other
// without asking anybody else: by gossip (serf), encrypted with a key that only
// nodes have. Nodes that end say so; others notice within half a minute that one
// does not answer any more.
package membership

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/hashicorp/serf/serf"
)

// Port is where agents gossip, by TCP and UDP.
const Port = 7496

// KeySize is how long keys are, in bytes.
const KeySize = 32

// Tags of members (S32).
const (
	TagAddress = "publicip"
	TagRole    = "role"
	TagNode    = "nodename"
)

// Options describe a member. All but Log are required.
type Options struct {
	// Cluster is the cluster's name.
	Cluster string
	// Address is how others reach this node, Role is master or node, and Node its
	// name in Kubernetes, or empty.
	Address netip.Addr
	Role    string
	Node    string
	// Key is the cluster's, KeySize bytes.
	Key []byte
	// Peers returns addresses of nodes that may be members, masters for example.
	// It is called again and again.
	Peers func() ([]netip.Addr, error)
	// Log receives what happens; nil means nobody.
	Log Logger

	port     int    // instead of Port, in tests
	bind     string // instead of all addresses, in tests
	interval time.Duration
	spread   time.Duration // instead of spreadTime, in tests
}

// Logger is where membership tells what happens; *slog.Logger is one.
type Logger interface {
	Debug(msg string, args ...any)
	Warn(msg string, args ...any)
}

// Member is a node as the others see it.
type Member struct {
	// Name is NameOf the node's address and cluster, Address is the node's with
	// the port.
	Name    string
	Address netip.AddrPort
	// Status is alive, leaving, left or failed.
	Status string
	// Tags are TagAddress, TagRole and, if it is known, TagNode.
	Tags map[string]string
}

// NameOf is the name of a member, such as 192_168_121_245.example.
func NameOf(address netip.Addr, cluster string) string {
	return strings.NewReplacer(".", "_", ":", "_").Replace(address.String()) + "." + cluster
}

// Membership is this node among the members. Its methods may be called at the
// same time, also while it does not run.
type Membership struct {
	options Options

	mu   sync.Mutex
	serf *serf.Serf
	keys *memberlist.Keyring
}

// New returns a membership that does not run yet.
func New(options Options) *Membership {
	if options.spread == 0 {
		options.spread = spreadTime
	}
	return &Membership{options: options}
}

const (
	// joinInterval is how often a member that sees nobody looks for others.
	joinInterval = 5 * time.Second
	// leaveTimeout is how long it may take to tell the others that it leaves.
	leaveTimeout = 5 * time.Second
	// tombstones is how long others remember one that has left or failed.
	tombstones = 24 * time.Hour
)

// ErrRestart ends the context of a member that comes back at once: it does not
// tell the others that it leaves.
var ErrRestart = errors.New("the member starts anew")

// Run takes part until ctx ends, and then leaves, unless the cause is ErrRestart.
func (m *Membership) Run(ctx context.Context) error {
	config, err := m.options.config()
	if err != nil {
		return fmt.Errorf("membership: %w", err)
	}
	running, err := serf.Create(config)
	if err != nil {
		return fmt.Errorf("membership: %w", err)
	}
	m.set(running, config.MemberlistConfig.Keyring)
	defer m.set(nil, nil)
	for {
		if alone(running) {
			m.join(running)
		}
		select {
		case <-ctx.Done():
			return leave(running, errors.Is(context.Cause(ctx), ErrRestart))
		case <-time.After(m.options.interval):
		}
	}
}

func (m *Membership) set(running *serf.Serf, keys *memberlist.Keyring) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.serf, m.keys = running, keys
}

// ring has the keys in use, nil if the membership does not run.
func (m *Membership) ring() *memberlist.Keyring {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.keys
}

// leave ends, and tells the others, unless the member comes back at once.
func leave(running *serf.Serf, restart bool) error {
	var err error
	if !restart && running.State() == serf.SerfAlive {
		err = running.Leave()
	}
	return errors.Join(err, running.Shutdown())
}

// join looks for others.
func (m *Membership) join(running *serf.Serf) {
	peers, err := m.options.Peers()
	if err != nil {
		m.options.Log.Debug("membership: peers are not known", "error", err)
		return
	}
	var addresses []string
	for _, peer := range peers {
		if peer != m.options.Address {
			addresses = append(addresses, netip.AddrPortFrom(peer, uint16(m.options.port)).String())
		}
	}
	if len(addresses) == 0 {
		return
	}
	if _, err := running.Join(addresses, true); err != nil {
		m.options.Log.Debug("membership: nobody is found", "error", err)
	}
}

func alone(running *serf.Serf) bool {
	for _, member := range running.Members() {
		if member.Name != running.LocalMember().Name && member.Status == serf.StatusAlive {
			return false
		}
	}
	return true
}

// Members lists the members by name, with those that failed or left; none if the
// membership does not run.
func (m *Membership) Members() []Member {
	m.mu.Lock()
	running := m.serf
	m.mu.Unlock()
	if running == nil {
		return nil
	}
	var members []Member
	for _, known := range running.Members() {
		address, _ := netip.AddrFromSlice(known.Addr)
		members = append(members, Member{
			Name: known.Name, Address: netip.AddrPortFrom(address.Unmap(), known.Port), Status: known.Status.String(), Tags: known.Tags,
		})
	}
	slices.SortFunc(members, func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
	return members
}

// Forget makes all members forget one that has failed, since it was removed from
// the cluster.
func (m *Membership) Forget(name string) error {
	m.mu.Lock()
	running := m.serf
	m.mu.Unlock()
	if running == nil {
		return errors.New("membership: it does not run")
	}
	if err := running.RemoveFailedNodePrune(name); err != nil {
		return fmt.Errorf("membership: forget %s: %w", name, err)
	}
	return nil
}

// config is that of serf.
func (o *Options) config() (*serf.Config, error) {
	if len(o.Key) != KeySize {
		return nil, fmt.Errorf("the key has %d bytes, want %d", len(o.Key), KeySize)
	}
	if o.port == 0 {
		o.port = Port
	}
	if o.interval == 0 {
		o.interval = joinInterval
	}
	if o.Log == nil {
		o.Log = nowhere{}
	}
	ring, err := memberlist.NewKeyring(nil, o.Key)
	if err != nil {
		return nil, err
	}
	config := serf.DefaultConfig()
	config.Init()
	config.NodeName = NameOf(o.Address, o.Cluster)
	config.Tags = map[string]string{TagAddress: o.Address.String(), TagRole: o.Role}
	if o.Node != "" {
		config.Tags[TagNode] = o.Node
	}
	config.ReconnectTimeout, config.TombstoneTimeout = tombstones, tombstones
	config.BroadcastTimeout, config.LeavePropagateDelay = leaveTimeout, time.Second
	// A machine that was installed anew has the name of the one before.
	config.EnableNameConflictResolution = false
	config.LogOutput = &logWriter{log: o.Log}
	list := memberlist.DefaultLANConfig()
	list.Name, list.Keyring = config.NodeName, ring
	list.BindPort, list.AdvertisePort, list.AdvertiseAddr = o.port, o.port, o.Address.String()
	if o.bind != "" {
		list.BindAddr = o.bind
	}
	if o.Address.Is6() && o.bind == "" {
		list.BindAddr = net.IPv6unspecified.String()
	}
	// A member that does not answer is suspected for 16 s at most.
	list.SuspicionMaxTimeoutMult = 4
	// Whoever has an address may have been another node before.
	list.DeadNodeReclaimTime = 30 * time.Second
	list.LogOutput = config.LogOutput
	config.MemberlistConfig = list
	return config, nil
}

// nowhere drops a log.
type nowhere struct{}

func (nowhere) Debug(string, ...any) {}
func (nowhere) Warn(string, ...any)  {}

// logWriter hands lines of serf's log on.
type logWriter struct{ log Logger }

var _ io.Writer = (*logWriter)(nil)

func (w *logWriter) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	if _, rest, ok := strings.Cut(text, "["); ok && (strings.HasPrefix(rest, "WARN]") || strings.HasPrefix(rest, "ERR]")) {
		_, message, _ := strings.Cut(rest, "] ")
		w.log.Warn("membership", "message", message)
	} else {
		w.log.Debug("membership", "message", text)
	}
	return len(line), nil
}

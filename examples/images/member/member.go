// Package member runs a member of the database: it decides how etcd starts and
// watches over the process.
//
// A member has a name that stays and a volume that may be lost with its node.
// What must never happen is a second cluster beside one that exists, or a
// member that forgets what it voted for. So:
//
//   - A volume with data continues as the member that it was, unless a majority
//     of the others says that this member was removed. Then its data is set
//     aside and it joins as a new member.
//   - A volume without data joins the cluster that the others have: the member
//     of its name is removed, as its data is gone, and a new one is added. This
//     takes a majority of the others.
//   - Only if all members are there and none has data, they found a cluster.
//     Each volume has a random number; the members agree on all of them, write
//     the agreement down, and found a cluster that is named by it. A volume
//     that is lost on the way has another number and so cannot take part.
//   - Everything else waits, and says for whom.
package member

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// The ports of a member.
const (
	clientPort   = "2379"
	peerPort     = "2380"
	greetingPort = "2382"
)

// Peer is a member as it was configured.
type Peer struct {
	Name string
	Host string // by which the others reach it
}

func (p Peer) peerURL() string   { return "http://" + net.JoinHostPort(p.Host, peerPort) }
func (p Peer) clientURL() string { return "http://" + net.JoinHostPort(p.Host, clientPort) }

// Options say which member this is.
type Options struct {
	// Name is one of the peers'.
	Name string
	// Peers are all members, this one among them.
	Peers []Peer
	// Volume is the folder for data. It must exist.
	Volume string
	// Listen is the address to listen on.
	Listen string
	// Etcd is the command of the etcd server, without its options.
	Etcd []string
	// Patience bounds each question to the others.
	Patience time.Duration
	// Output takes what etcd prints.
	Output io.Writer
	Log    *slog.Logger
}

// Member is a member of the database.
type Member struct {
	Options
	self   Peer
	others []Peer
	volume *volume
}

// New checks the options and opens the volume.
func New(options Options) (*Member, error) {
	m := &Member{Options: options}
	for _, peer := range options.Peers {
		if peer.Name == options.Name {
			m.self = peer
		} else {
			m.others = append(m.others, peer)
		}
	}
	if m.self.Name == "" {
		return nil, fmt.Errorf("member %q is not among the peers", options.Name)
	}
	if len(m.others)+1 != len(options.Peers) || len(options.Etcd) == 0 {
		return nil, errors.New("peers must have different names, and there must be an etcd to run")
	}
	var err error
	m.volume, err = openVolume(options.Volume)
	return m, err
}

// Run starts etcd when it is clear how, and returns when it ended: with nil if
// the context asked for that.
func (m *Member) Run(ctx context.Context) error {
	stop, err := m.greet(ctx)
	if err != nil {
		return err
	}
	defer stop()
	start, err := m.waitForPlan(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	return m.supervise(ctx, start)
}

// waitForPlan asks again every second until it is clear how to start.
func (m *Member) waitForPlan(ctx context.Context) (start, error) {
	said := ""
	for {
		start, err := m.plan(ctx)
		waiting, ok := errors.AsType[waitError](err)
		if !ok {
			return start, err
		}
		if reason := waiting.Error(); reason != said {
			said = reason
			m.Log.Info("the member waits", "reason", reason)
		}
		select {
		case <-ctx.Done():
			return start, context.Cause(ctx)
		case <-time.After(time.Second):
		}
	}
}

// supervise runs etcd. It ends with this process, whatever ends this process.
func (m *Member) supervise(ctx context.Context, s start) error {
	// The parent in the sense of Pdeathsig is the thread that started a process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	args := append(slices.Clone(m.Etcd[1:]), m.arguments(s)...)
	command := exec.CommandContext(ctx, m.Etcd[0], args...)
	command.Stdout, command.Stderr = m.Output, m.Output
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 20 * time.Second
	m.Log.Info("start etcd", "state", s.state, "token", s.token, "cluster", s.cluster)
	err := command.Run()
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("etcd ended by itself: %w", errors.Join(err, errors.New("the last lines above say why")))
}

func (m *Member) arguments(s start) []string {
	return []string{
		"--name=" + m.self.Name,
		"--data-dir=" + m.volume.folder,
		"--listen-peer-urls=http://" + net.JoinHostPort(m.Listen, peerPort),
		"--listen-client-urls=http://" + net.JoinHostPort(m.Listen, clientPort),
		"--initial-advertise-peer-urls=" + m.self.peerURL(),
		"--advertise-client-urls=" + m.self.clientURL(),
		"--initial-cluster=" + strings.Join(s.cluster, ","),
		"--initial-cluster-state=" + s.state,
		"--initial-cluster-token=" + s.token,
		"--auto-compaction-mode=periodic", "--auto-compaction-retention=1h",
		"--quota-backend-bytes=1073741824",
		"--log-level=warn",
	}
}

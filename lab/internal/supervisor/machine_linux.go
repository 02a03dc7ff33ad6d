package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/cgroup"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/disk"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/keys"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/wire"
)

const (
	sshPort = 22
	// bootTimeout is generous: hosts of labs compile while machines boot.
	bootTimeout = 3 * time.Minute
	stopTimeout = 90 * time.Second
	// exitReboot is nspawn's exit code when the machine wants to boot again.
	exitReboot = 133
)

// machine is one machine of a lab.
type machine struct {
	lab     *supervisor
	name    string
	index   int
	address netip.Addr
	dir     string
	hostKey keys.Pair

	// power serialises what turns the machine on and off.
	power sync.Mutex

	mu        sync.Mutex
	disk      *disk.Disk
	state     wire.State
	note      string
	connected bool
	attached  bool
	// leader is the machine's init in the supervisor's PID namespace.
	leader   int
	boot     *boot
	bootTime time.Duration
}

// boot is the time from one start of a machine to its end.
type boot struct {
	command *exec.Cmd
	started time.Time
	notify  *notifySocket
	// ready is closed when the machine's systemd has started everything.
	ready chan struct{}
	// ended is closed when no process of the machine is left.
	ended chan struct{}
	// wanted says that somebody asked for the end.
	wanted bool
}

func newMachine(lab *supervisor, name string, index int) (*machine, error) {
	key, err := keys.New(name)
	if err != nil {
		return nil, err
	}
	return &machine{
		lab: lab, name: name, index: index, hostKey: key, address: lab.network.Machine(index),
		dir: filepath.Join(lab.stateDir, "machines", name), state: wire.StateOff, connected: true,
	}, nil
}

func (m *machine) consoleFile() string { return filepath.Join(m.dir, "console.log") }
func (m *machine) netnsFile() string   { return filepath.Join(m.dir, "netns") }
func (m *machine) port() string        { return fmt.Sprintf("m%d", m.index) }

// create makes the machine's disk and writes what makes it this machine.
func (m *machine) create(ctx context.Context) error {
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		return fmt.Errorf("make the directory of machine %s: %w", m.name, err)
	}
	made, err := disk.Create(ctx, m.dir, m.lab.base, m.lab.spec.DiskSize, disk.Usable() == nil)
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.disk = made
	m.mu.Unlock()
	return m.personalise()
}

// current is the running boot; nil if the machine is off.
func (m *machine) current() *boot {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.boot
}

// bootOnce starts the machine's processes with a fresh network and fresh
// cgroups, as a machine has after power comes back.
func (m *machine) bootOnce() error {
	m.mu.Lock()
	connected := m.connected
	m.attached = false
	m.mu.Unlock()
	if err := m.lab.network.Attach(m.netnsFile(), m.port(), m.address, !m.lab.spec.NoDefaultRoute); err != nil {
		return err
	}
	if !connected {
		if err := m.lab.network.Connect(m.port(), false); err != nil {
			return err
		}
	}
	if err := m.removeCgroups(); err != nil {
		return err
	}
	cgroups, err := cgroup.Create(m.lab.hierarchies, m.lab.spec.Name, m.name)
	if err != nil {
		return err
	}
	b := &boot{started: time.Now(), ready: make(chan struct{}), ended: make(chan struct{})}
	if b.notify, err = listenNotify(m.name); err != nil {
		return err
	}
	console, err := os.OpenFile(m.consoleFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		_ = b.notify.Close()
		return fmt.Errorf("open the console's log: %w", err)
	}
	defer console.Close()
	if b.command, err = m.command(cgroups, b.notify.name); err != nil {
		_ = b.notify.Close()
		return err
	}
	b.command.Stdout, b.command.Stderr = console, console
	if err := b.command.Start(); err != nil {
		_ = b.notify.Close()
		return fmt.Errorf("start systemd-nspawn: %w", err)
	}
	m.mu.Lock()
	m.boot, m.attached, m.state, m.note, m.bootTime = b, true, wire.StateStarting, "", 0
	m.mu.Unlock()
	go m.listen(b)
	go m.watch(b)
	return nil
}

// listen receives what nspawn says about the machine.
func (m *machine) listen(b *boot) {
	b.notify.receive(func(leader int, ready bool) {
		if leader != 0 {
			m.mu.Lock()
			if m.boot == b {
				m.leader = leader
			}
			m.mu.Unlock()
		}
		if ready {
			select {
			case <-b.ready:
			default:
				close(b.ready)
			}
		}
	})
}

// watch waits for the end of a boot.
func (m *machine) watch(b *boot) {
	err := b.command.Wait()
	_ = b.notify.Close()
	code := b.command.ProcessState.ExitCode()
	// Before anybody can boot the machine again: removing cgroups kills what is
	// in them.
	if err := m.removeCgroups(); err != nil {
		m.lab.log.Warn("cgroups of a machine are left", "machine", m.name, "error", err)
	}
	m.mu.Lock()
	wanted := b.wanted
	m.boot, m.leader, m.state = nil, 0, wire.StateOff
	switch {
	case wanted:
	case code == 0:
		m.note = "it has shut itself down"
	case code == exitReboot:
		m.note = "it reboots"
	default:
		m.note = fmt.Sprintf("systemd-nspawn ended: %v", err)
	}
	m.mu.Unlock()
	m.lab.log.Info("machine ended", "machine", m.name, "code", code, "wanted", wanted)
	close(b.ended)
	if code == exitReboot && !wanted {
		m.reboot()
	}
}

// connect puts the machine on the network or takes it off; that also holds
// for its next start.
func (m *machine) connect(connected bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.attached {
		if err := m.lab.network.Connect(m.port(), connected); err != nil {
			return err
		}
	}
	m.connected = connected
	return nil
}

// remove ends the machine and lets go of everything that it has but its files.
func (m *machine) remove() error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), 30*time.Second, errors.New("its processes do not end"))
	defer cancel()
	err := m.kill(ctx)
	m.power.Lock()
	defer m.power.Unlock()
	errs := []error{err, m.removeCgroups(), m.lab.network.Detach(m.netnsFile(), m.port())}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.attached = false
	if m.disk != nil {
		errs = append(errs, m.disk.Close())
		m.disk = nil
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove machine %s: %w", m.name, err)
	}
	if err := os.RemoveAll(m.dir); err != nil {
		return fmt.Errorf("remove machine %s: %w", m.name, err)
	}
	return nil
}

func (m *machine) removeCgroups() error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), 10*time.Second, errors.New("they are still in use"))
	defer cancel()
	return cgroup.Remove(ctx, m.lab.hierarchies, m.lab.spec.Name, m.name)
}

package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
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

// start boots the machine and waits until sshd greets.
func (m *machine) start(ctx context.Context, progress func(string)) error {
	m.power.Lock()
	defer m.power.Unlock()
	if m.current() != nil {
		return m.waitBooted(ctx)
	}
	if err := m.bootOnce(); err != nil {
		return fmt.Errorf("start machine %s: %w", m.name, err)
	}
	if err := m.waitBooted(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	took := m.bootTime
	m.mu.Unlock()
	progress(fmt.Sprintf("%s is up at %s after %.1f s", m.name, m.address, took.Seconds()))
	return nil
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
	slog.Info("machine ended", "machine", m.name, "code", code, "wanted", wanted)
	close(b.ended)
	if code == exitReboot && !wanted {
		m.reboot()
	}
}

// reboot boots a machine again that has asked for it from within.
func (m *machine) reboot() {
	m.power.Lock()
	defer m.power.Unlock()
	if m.lab.end.Err() != nil || m.current() != nil {
		return
	}
	err := m.bootOnce()
	if err == nil {
		err = m.waitBooted(m.lab.end)
	}
	if err != nil {
		slog.Error("machine did not reboot", "machine", m.name, "error", err)
		m.mu.Lock()
		m.note = "it did not reboot: " + err.Error()
		m.mu.Unlock()
	}
}

// waitBooted waits until sshd of the running boot greets.
func (m *machine) waitBooted(ctx context.Context) error {
	b := m.current()
	if b == nil {
		return fmt.Errorf("machine %s is off", m.name)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, bootTimeout, fmt.Errorf("sshd does not answer after %s", bootTimeout))
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		if err := m.greet(); err == nil {
			m.mu.Lock()
			if m.boot == b && m.state == wire.StateStarting {
				m.state, m.bootTime = wire.StateRunning, time.Since(b.started)
			}
			m.mu.Unlock()
			return nil
		}
		select {
		case <-ticker.C:
		case <-b.ended:
			return m.bootError(errors.New("it ended while it was booting"))
		case <-ctx.Done():
			return m.bootError(context.Cause(ctx))
		}
	}
}

func (m *machine) bootError(err error) error {
	err = fmt.Errorf("boot machine %s: %w", m.name, err)
	if tail := tailOf(m.consoleFile(), 5); tail != "" {
		err = fmt.Errorf("%w; its console ends with: %s", err, tail)
	}
	return cli.WithHint(err, "read %s", m.consoleFile())
}

// kill ends all processes of the machine at once. Its init dies first, and
// with it the kernel kills the whole PID namespace; nspawn follows by itself.
func (m *machine) kill(ctx context.Context) error {
	b := m.end()
	if b == nil {
		return nil
	}
	m.mu.Lock()
	leader := m.leader
	m.mu.Unlock()
	if leader != 0 {
		_ = unix.Kill(leader, unix.SIGKILL)
	} else {
		_ = b.command.Process.Kill()
	}
	return m.waitEnded(ctx, b)
}

// end marks the running boot as one that shall end.
func (m *machine) end() *boot {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.boot != nil {
		m.boot.wanted = true
		m.note = ""
		m.state = wire.StateStopping
	}
	return m.boot
}

func (m *machine) waitEnded(ctx context.Context, b *boot) error {
	timer := time.NewTimer(5 * time.Second)
	defer timer.Stop()
	for {
		select {
		case <-b.ended:
			return m.removeCgroups()
		case <-timer.C:
			_ = b.command.Process.Kill()
		case <-ctx.Done():
			return fmt.Errorf("kill machine %s: %w", m.name, context.Cause(ctx))
		}
	}
}

// stop shuts the machine down as its power button does. One that does not
// follow is killed in the end.
func (m *machine) stop(ctx context.Context, progress func(string)) error {
	b := m.end()
	if b == nil {
		return nil
	}
	if err := b.command.Process.Signal(unix.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop machine %s: %w", m.name, err)
	}
	select {
	case <-b.ended:
		return m.removeCgroups()
	case <-time.After(stopTimeout):
		progress(fmt.Sprintf("%s did not shut down within %s and is killed", m.name, stopTimeout))
		return m.kill(ctx)
	case <-ctx.Done():
		return fmt.Errorf("stop machine %s: %w", m.name, context.Cause(ctx))
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

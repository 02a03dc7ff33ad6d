package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/wire"
)

// start boots the machine and waits until sshd greets.
func (m *machine) start(ctx context.Context, progress func(string)) error {
	m.power.Lock()
	defer m.power.Unlock()
	b := m.current()
	if b != nil && m.isEnding(b) {
		select {
		case <-b.ended:
		case <-ctx.Done():
			return fmt.Errorf("start machine %s, which is just ending: %w", m.name, context.Cause(ctx))
		}
		b = nil
	}
	if b != nil {
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
		m.lab.log.Error("machine did not reboot", "machine", m.name, "error", err)
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

func (m *machine) isEnding(b *boot) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return b.wanted
}

func (m *machine) waitEnded(ctx context.Context, b *boot) error {
	timer := time.NewTimer(5 * time.Second)
	defer timer.Stop()
	for {
		select {
		case <-b.ended:
			return nil
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
		return nil
	case <-time.After(stopTimeout):
		progress(fmt.Sprintf("%s did not shut down within %s and is killed", m.name, stopTimeout))
		return m.kill(ctx)
	case <-ctx.Done():
		return fmt.Errorf("stop machine %s: %w", m.name, context.Cause(ctx))
	}
}

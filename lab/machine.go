package lab

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/wire"
)

// Machine is one machine of a lab.
type Machine struct {
	lab  *Lab
	name string
}

// Name is the machine's host name.
func (m *Machine) Name() string { return m.name }

// Status asks for the state of the machine.
func (m *Machine) Status(ctx context.Context) (MachineStatus, error) {
	status, err := m.lab.Status(ctx)
	if err != nil {
		return MachineStatus{}, err
	}
	return machineOf(status, m.name)
}

// machineOf finds a machine in the state of a lab.
func machineOf(status Status, name string) (MachineStatus, error) {
	var names []string
	for _, machine := range status.Machines {
		if machine.Name == name {
			return machine, nil
		}
		names = append(names, machine.Name)
	}
	return MachineStatus{}, cli.WithHint(fmt.Errorf("lab %s has no machine named %q", status.Name, name), "its machines are: %s", joinNames(names))
}

// Cut takes the machine off the network: its packets and those for it vanish.
// It stays cut off when it is started again, until Heal.
func (m *Machine) Cut(ctx context.Context) error { return m.do(ctx, wire.OpCut) }

// Heal puts the machine back on the network.
func (m *Machine) Heal(ctx context.Context) error { return m.do(ctx, wire.OpHeal) }

// Kill is a power failure: everything in the machine ends at once. Its disk
// stays. A machine that is off stays off.
func (m *Machine) Kill(ctx context.Context) error { return m.do(ctx, wire.OpKill) }

// Start turns the machine on and waits until its sshd answers. If it is
// already running, Start only waits.
func (m *Machine) Start(ctx context.Context) error { return m.do(ctx, wire.OpStart) }

// Stop shuts the machine down in an orderly way and waits for it.
func (m *Machine) Stop(ctx context.Context) error { return m.do(ctx, wire.OpStop) }

const readyTimeout = 3 * time.Minute

// WaitReady waits until the machine has booted, for instance after a reboot
// from within, for at most three minutes. It does not start a machine that is
// off.
func (m *Machine) WaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("it takes longer than %s", readyTimeout))
	defer cancel()
	return poll(ctx, func() (bool, error) {
		status, err := m.Status(ctx)
		return status.State == StateRunning, err
	}, fmt.Sprintf("machine %s is not ready", m.name))
}

func (m *Machine) do(ctx context.Context, op wire.Op) error {
	_, err := m.lab.do(ctx, wire.Request{Op: op, Machines: []string{m.name}})
	return err
}

// running returns the state of a machine that has processes.
func (m *Machine) running(ctx context.Context) (MachineStatus, error) {
	status, err := m.Status(ctx)
	if err != nil {
		return status, err
	}
	if status.PID == 0 {
		return status, cli.WithHint(fmt.Errorf("machine %s is %s", m.name, status.State), "start it with 'lab start %s'", m.name)
	}
	return status, nil
}

// CopyTo writes a file of the machine, whatever its size, without the network.
// Missing directories are made; the file appears complete or not at all. The
// owner is root.
func (m *Machine) CopyTo(ctx context.Context, content io.Reader, path string, mode fs.FileMode) error {
	status, err := m.running(ctx)
	if err != nil {
		return err
	}
	return writeFile(status.PID, path, &contextReader{ctx: ctx, reader: content}, mode)
}

// CopyFileTo is CopyTo with a file of the host.
func (m *Machine) CopyFileTo(ctx context.Context, local, path string, mode fs.FileMode) error {
	file, err := os.Open(local)
	if err != nil {
		return fmt.Errorf("copy to machine %s: %w", m.name, err)
	}
	defer file.Close()
	return m.CopyTo(ctx, file, path, mode)
}

// Open opens a file of the machine for reading.
func (m *Machine) Open(ctx context.Context, path string) (io.ReadCloser, error) {
	status, err := m.running(ctx)
	if err != nil {
		return nil, err
	}
	return openFile(status.PID, path)
}

// contextReader ends a long copy with the context.
type contextReader struct {
	ctx    context.Context //nolint:containedctx // lives as long as one call
	reader io.Reader
}

func (r *contextReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.reader.Read(p)
}

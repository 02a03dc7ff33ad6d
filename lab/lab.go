package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/wire"
)

// Errors that callers distinguish.
var (
	// ErrExists says that a lab of that name is running.
	ErrExists = errors.New("the lab is already up")
	// ErrNotExist says that there is no such lab.
	ErrNotExist = errors.New("there is no such lab")
	// ErrCrashed says that of a lab only remains are left, since its supervisor
	// was killed. It comes with ErrNotExist.
	ErrCrashed = errors.New("it has crashed")
	// ErrUnsupported says that this operating system cannot run labs.
	ErrUnsupported = errors.New("labs need Linux")
)

const socketName = "supervisor.sock"

const (
	// downTimeout bounds taking a lab down in an orderly way.
	downTimeout = time.Minute
	// killTimeout is how long its supervisor may take to end after that, before
	// it is killed.
	killTimeout = 5 * time.Second
)

// Status is the state of a lab, as `lab status -o json` prints it.
type Status = wire.Lab

// MachineStatus is the state of a machine.
type MachineStatus = wire.Machine

// The states of a machine.
const (
	StateStarting = wire.StateStarting
	StateRunning  = wire.StateRunning
	StateStopping = wire.StateStopping
	StateOff      = wire.StateOff
)

// Lab is a running lab. Its methods may be called concurrently.
type Lab struct {
	name     string
	stateDir string
	progress func(string)
	// owner is nil for a lab that another process has made.
	owner owner

	mu     sync.Mutex
	status Status
}

// owner is the supervisor as the process that made it sees it.
type owner interface {
	// call makes a request on the owner's connection.
	call(ctx context.Context, request wire.Request, progress func(string)) (*wire.Lab, error)
	// disconnect gives the connection up, and the lab with it, unless it was
	// committed.
	disconnect()
	// wait waits for the end of the supervisor and kills it with the context.
	wait(ctx context.Context) error
}

// New makes a lab and waits until sshd of every machine answers. The lab ends
// with this process, however that ends, or with Close. If New fails, nothing
// is left.
func New(ctx context.Context, options Options) (*Lab, error) {
	spec, err := options.spec()
	if err != nil {
		return nil, err
	}
	progress := progressTo(options.Log)
	if err := prepareHost(ctx, progress); err != nil {
		return nil, err
	}
	owner, err := startSupervisor(ctx, spec)
	if err != nil {
		return nil, err
	}
	status, err := owner.call(ctx, wire.Request{Op: wire.OpCreate, Spec: spec}, progress)
	if err != nil {
		err = fmt.Errorf("make lab %s: %w", spec.Name, err)
		owner.disconnect()
		ctx, cancel := downContext(ctx)
		defer cancel()
		return nil, errors.Join(err, owner.wait(ctx))
	}
	return &Lab{name: spec.Name, stateDir: spec.StateDir, progress: progress, owner: owner, status: *status}, nil
}

// downContext bounds clean-up also when the caller's context has ended.
func downContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(context.WithoutCancel(ctx), downTimeout, fmt.Errorf("it takes longer than %s", downTimeout))
}

// Open returns a lab that runs, whoever made it. Options other than Name, Dir
// and Log do not matter. If there is no such lab, the error is ErrNotExist.
func Open(ctx context.Context, options Options) (*Lab, error) {
	stateDir, err := stateDir(options.Dir, options.Name)
	if err != nil {
		return nil, err
	}
	lab := &Lab{name: options.Name, stateDir: stateDir, progress: progressTo(options.Log)}
	if _, err := lab.Status(ctx); err != nil {
		return nil, err
	}
	return lab, nil
}

// Name is the lab's name.
func (l *Lab) Name() string { return l.name }

// Detach lets the lab outlive this process.
func (l *Lab) Detach(ctx context.Context) error {
	if l.owner == nil {
		return nil
	}
	if _, err := l.owner.call(ctx, wire.Request{Op: wire.OpCommit}, nil); err != nil {
		return fmt.Errorf("detach lab %s: %w", l.name, err)
	}
	return nil
}

// Status asks for the state of the lab.
func (l *Lab) Status(ctx context.Context) (Status, error) {
	return l.do(ctx, wire.Request{Op: wire.OpStatus})
}

// Machines lists the machines in the order in which they were added.
func (l *Lab) Machines() []*Machine {
	l.mu.Lock()
	defer l.mu.Unlock()
	machines := make([]*Machine, 0, len(l.status.Machines))
	for _, status := range l.status.Machines {
		machines = append(machines, &Machine{lab: l, name: status.Name})
	}
	return machines
}

// Machine returns the machine of that name. Operations on one that does not
// exist fail.
func (l *Lab) Machine(name string) *Machine { return &Machine{lab: l, name: name} }

// Add adds machines and waits until they are up. An empty name is replaced by
// one that is free. If a machine fails, none is added.
func (l *Lab) Add(ctx context.Context, names ...string) ([]*Machine, error) {
	for _, name := range names {
		if name != "" {
			if err := checkName("machine", name); err != nil {
				return nil, err
			}
		}
	}
	before := l.Machines()
	if _, err := l.do(ctx, wire.Request{Op: wire.OpAdd, Machines: names}); err != nil {
		return nil, err
	}
	after := l.Machines()
	return after[min(len(before), len(after)):], nil
}

// Close takes the lab down: everything ends at once and is removed, disks
// included. Closing a lab that is gone is no error. The process that made the
// lab kills the supervisor if it does not follow within a minute.
func (l *Lab) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, downTimeout, fmt.Errorf("it takes longer than %s", downTimeout))
	defer cancel()
	_, err := l.do(ctx, wire.Request{Op: wire.OpDown})
	err = ignoreGone(err)
	if l.owner != nil {
		l.owner.disconnect()
		waitCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), killTimeout)
		defer cancel()
		err = errors.Join(err, l.owner.wait(waitCtx))
	}
	if err != nil {
		return fmt.Errorf("take lab %s down: %w", l.name, err)
	}
	return nil
}

func ignoreGone(err error) error {
	if errors.Is(err, ErrNotExist) || errors.Is(err, wire.ErrClosed) {
		return nil
	}
	return err
}

// do makes one request on a connection of its own, so that cancelling one does
// not disturb others.
func (l *Lab) do(ctx context.Context, request wire.Request) (Status, error) {
	conn, err := dial(ctx, l.stateDir)
	if err != nil {
		return Status{}, err
	}
	defer conn.Close()
	status, err := conn.Call(ctx, request, l.progress)
	if err != nil {
		return Status{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status = *status
	return *status, nil
}

// progressTo makes lines of progress out of a writer.
func progressTo(log io.Writer) func(string) {
	if log == nil {
		return func(string) {}
	}
	var mu sync.Mutex
	return func(line string) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = fmt.Fprintln(log, line)
	}
}

package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/cgroup"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/keys"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/network"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/sysctl"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/wire"
)

// supervisor is the state of a lab.
type supervisor struct {
	stateDir string
	log      *slog.Logger
	since    time.Time
	// end is cancelled to take the lab down; everything that the lab does
	// for itself ends with it.
	end    context.Context
	finish context.CancelFunc

	// Set once by create, before the first machine.
	spec        wire.Spec
	base        string
	network     *network.Network
	hierarchies []cgroup.Hierarchy
	key         keys.Pair
	name        net.Listener
	settings    *sysctl.Guard
	warnings    []string

	mu        sync.Mutex
	ending    bool
	created   bool
	committed bool
	machines  []*machine
	// nextIndex is never used twice: a machine's address stays its own.
	nextIndex int
	// operations are those that change the lab.
	operations sync.WaitGroup

	// downErr is what taking the lab down could not do, valid after down.
	downErr error
	down    chan struct{}
}

// runtimeDir is where nspawn leaves files when it is killed. The supervisor
// mounts a file system of its own there, for its own such files, too.
const runtimeDir = "/run/systemd/nspawn"

var errEnding = errors.New("the lab is being taken down")

func newSupervisor(stateDir string, log *slog.Logger) *supervisor {
	return &supervisor{stateDir: stateDir, log: log, since: time.Now(), down: make(chan struct{})}
}

// run serves until the lab is down.
func (s *supervisor) run(ctx context.Context, owner net.Conn) {
	s.end, s.finish = context.WithCancel(ctx)
	defer s.finish()
	var clients sync.WaitGroup
	// Clients are served beyond the end of the lab, so that the one who asked
	// for it hears of it.
	serve, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	listener, err := s.isolate()
	if err != nil {
		s.log.Error("cannot supervise", "error", err)
		_ = wireRefuse(owner, err)
		s.finish()
	} else {
		clients.Go(func() {
			wire.Serve(serve, owner, s.handleOwner)
			s.ownerGone()
		})
		clients.Go(func() { s.accept(serve, listener, &clients) })
	}
	<-s.end.Done()
	s.downErr = s.takeDown()
	close(s.down)
	// Whoever asked gets its answer; nobody else is waited for.
	time.AfterFunc(500*time.Millisecond, stopServing)
	if listener != nil {
		_ = listener.Close()
	}
	clients.Wait()
	stopServing()
}

// wireRefuse answers the owner's first request with an error.
func wireRefuse(owner net.Conn, err error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	wire.Serve(ctx, owner, func(context.Context, wire.Request, func(string)) (*wire.Lab, error) {
		defer time.AfterFunc(100*time.Millisecond, cancel)
		return nil, err
	})
	return nil
}

// isolate gives the supervisor's mount namespace what machines need and keeps
// it apart from the host's, then opens the door for clients.
func (s *supervisor) isolate() (net.Listener, error) {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return nil, fmt.Errorf("make the lab's mounts private: %w", err)
	}
	// The host's view of processes, to tell clients process ids of theirs.
	if err := os.MkdirAll(s.hostProc(), 0o700); err != nil {
		return nil, fmt.Errorf("keep the host's /proc: %w", err)
	}
	if err := unix.Mount("/proc", s.hostProc(), "", unix.MS_BIND, ""); err != nil {
		return nil, fmt.Errorf("keep the host's /proc: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return nil, fmt.Errorf("mount the lab's /proc: %w", err)
	}
	if err := os.MkdirAll(runtimeDir, 0o755); err != nil {
		return nil, fmt.Errorf("make %s: %w", runtimeDir, err)
	}
	if err := unix.Mount("tmpfs", runtimeDir, "tmpfs", 0, "mode=755"); err != nil {
		return nil, fmt.Errorf("mount the lab's %s: %w", runtimeDir, err)
	}
	listener, err := net.Listen("unix", filepath.Join(s.stateDir, SocketName))
	if err != nil {
		return nil, fmt.Errorf("open the lab's socket: %w", err)
	}
	return listener, nil
}

func (s *supervisor) hostProc() string { return filepath.Join(s.stateDir, "hostproc") }

func (s *supervisor) accept(ctx context.Context, listener net.Listener, clients *sync.WaitGroup) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		clients.Go(func() { wire.Serve(ctx, conn, s.handle) })
	}
}

func (s *supervisor) ownerGone() {
	s.mu.Lock()
	committed := s.committed
	s.mu.Unlock()
	if !committed {
		s.log.Info("the lab's owner is gone, so the lab ends")
		s.finish()
	}
}

// handleOwner serves the connection of the process that makes the lab.
func (s *supervisor) handleOwner(ctx context.Context, request wire.Request, progress func(string)) (*wire.Lab, error) {
	switch request.Op {
	case wire.OpCreate:
		return s.operate(ctx, request, func(ctx context.Context) error { return s.create(ctx, request.Spec, progress) })
	case wire.OpCommit:
		s.mu.Lock()
		s.committed = true
		s.mu.Unlock()
		return s.status(), nil
	}
	return s.handle(ctx, request, progress)
}

// handle serves the requests that any client may make.
func (s *supervisor) handle(ctx context.Context, request wire.Request, progress func(string)) (*wire.Lab, error) {
	switch request.Op {
	case wire.OpStatus:
		return s.status(), nil
	case wire.OpDown:
		s.finish()
		select {
		case <-s.down:
			return s.status(), s.downErr
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if !s.isCreated() {
		return nil, cli.WithHint(fmt.Errorf("lab %s is still being made", filepath.Base(s.stateDir)), "wait for 'lab up' to end")
	}
	return s.operate(ctx, request, func(ctx context.Context) error {
		switch request.Op {
		case wire.OpAdd:
			return s.add(ctx, request.Machines, progress)
		case wire.OpCut:
			return s.each(request.Machines, func(m *machine) error { return m.connect(false) })
		case wire.OpHeal:
			return s.each(request.Machines, func(m *machine) error { return m.connect(true) })
		case wire.OpKill:
			return s.each(request.Machines, func(m *machine) error { return m.kill(ctx) })
		case wire.OpStart:
			return s.each(request.Machines, func(m *machine) error { return m.start(ctx, progress) })
		case wire.OpStop:
			return s.each(request.Machines, func(m *machine) error { return m.stop(ctx, progress) })
		}
		return fmt.Errorf("the lab's supervisor does not know how to %q; it was started by another version", request.Op)
	})
}

// operate runs an operation that changes the lab. Taking the lab down cancels
// the operations that run and waits for them, so none may begin after that.
func (s *supervisor) operate(ctx context.Context, request wire.Request, f func(context.Context) error) (*wire.Lab, error) {
	s.mu.Lock()
	if s.ending {
		s.mu.Unlock()
		return nil, errEnding
	}
	s.operations.Add(1)
	s.mu.Unlock()
	defer s.operations.Done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(s.end, func() { cancel(errEnding) })
	defer stop()
	s.log.Info("request", "op", request.Op, "machines", request.Machines)
	if err := f(ctx); err != nil {
		s.log.Warn("request failed", "op", request.Op, "error", err)
		return nil, err
	}
	return s.status(), nil
}

func (s *supervisor) isCreated() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.created
}

// each does something with the named machines, all at once.
func (s *supervisor) each(names []string, f func(*machine) error) error {
	var machines []*machine
	for _, name := range names {
		m, err := s.find(name)
		if err != nil {
			return err
		}
		machines = append(machines, m)
	}
	errs := make([]error, len(machines))
	var group sync.WaitGroup
	for i, m := range machines {
		group.Go(func() { errs[i] = f(m) })
	}
	group.Wait()
	return errors.Join(errs...)
}

func (s *supervisor) find(name string) (*machine, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, m := range s.machines {
		if m.name == name {
			return m, nil
		}
		names = append(names, m.name)
	}
	return nil, cli.WithHint(fmt.Errorf("lab %s has no machine named %q", s.spec.Name, name),
		"its machines are: %s", strings.Join(names, ", "))
}

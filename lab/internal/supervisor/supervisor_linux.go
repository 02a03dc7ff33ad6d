package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/cgroup"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/disk"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/keys"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/network"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/rootfs"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/wire"
)

// supervisor is the state of a lab.
type supervisor struct {
	stateDir string
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
	warnings    []string

	mu        sync.Mutex
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

func newSupervisor(stateDir string) *supervisor {
	return &supervisor{stateDir: stateDir, since: time.Now(), down: make(chan struct{})}
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
		slog.Error("cannot supervise", "error", err)
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
		slog.Info("the lab's owner is gone, so the lab ends")
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
	if s.end.Err() != nil {
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
	slog.Info("request", "op", request.Op, "machines", request.Machines)
	if err := f(ctx); err != nil {
		slog.Warn("request failed", "op", request.Op, "error", err)
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

// create makes the lab. It is called once.
func (s *supervisor) create(ctx context.Context, spec *wire.Spec, progress func(string)) error {
	if spec == nil || s.isCreated() {
		return errors.New("the lab's supervisor was asked to make a lab in a wrong way")
	}
	s.spec = *spec
	var err error
	if s.name, err = network.Reserve("name/" + spec.Name); err != nil {
		return cli.WithHint(fmt.Errorf("a lab named %s runs on this host with another state directory: %w", spec.Name, err),
			"choose another name")
	}
	if s.hierarchies, err = cgroup.Hierarchies(); err != nil {
		return err
	}
	if s.base, err = rootfs.Ensure(ctx, spec.CacheDir, rootfs.NewRecipe(spec.Packages), progress); err != nil {
		return err
	}
	if s.key, err = keys.New("lab-" + spec.Name); err != nil {
		return err
	}
	if err := s.key.Write(s.keyFile()); err != nil {
		return err
	}
	if s.network, err = network.New(s.stateDir, spec.Name, spec.Subnet, progress); err != nil {
		return err
	}
	if err := disk.Usable(); err != nil {
		s.warnings = append(s.warnings, fmt.Sprintf("machines have no disks of their own, as loop devices cannot be used: %v", err))
	}
	s.mu.Lock()
	s.created = true
	s.mu.Unlock()
	return s.add(ctx, spec.Machines, progress)
}

// add adds machines and waits until they are up; if one fails, none is added.
func (s *supervisor) add(ctx context.Context, names []string, progress func(string)) error {
	added, err := s.enlist(names)
	if err != nil {
		return err
	}
	group, bootCtx := errgroup.WithContext(ctx)
	for _, m := range added {
		group.Go(func() error {
			if err := m.create(bootCtx); err != nil {
				return fmt.Errorf("add machine %s: %w", m.name, err)
			}
			return nil
		})
	}
	if err = group.Wait(); err == nil {
		// All hosts files name all machines from the first moment.
		err = s.writeNames()
	}
	if err == nil {
		group, bootCtx = errgroup.WithContext(ctx)
		for _, m := range added {
			group.Go(func() error { return m.start(bootCtx, progress) })
		}
		err = group.Wait()
	}
	if err != nil && s.end.Err() == nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return errors.Join(err, s.drop(added))
	}
	return err
}

// enlist gives new machines their names and addresses.
func (s *supervisor) enlist(names []string) ([]*machine, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nextIndex+len(names) > network.MaxMachines {
		return nil, fmt.Errorf("lab %s has no addresses left: a lab has at most %d machines in its life", s.spec.Name, network.MaxMachines)
	}
	var added []*machine
	taken := func(name string) bool {
		return slices.ContainsFunc(slices.Concat(s.machines, added), func(m *machine) bool { return m.name == name })
	}
	for _, name := range names {
		if name == "" {
			for i := s.nextIndex + 1; name == "" || taken(name); i++ {
				name = fmt.Sprintf("node-%d", i)
			}
		}
		if taken(name) {
			return nil, cli.WithHint(fmt.Errorf("lab %s already has a machine named %q", s.spec.Name, name), "choose another name")
		}
		m, err := newMachine(s, name, s.nextIndex)
		if err != nil {
			return nil, err
		}
		s.nextIndex++
		added = append(added, m)
	}
	s.machines = append(s.machines, added...)
	return added, nil
}

// drop removes machines and all that is theirs.
func (s *supervisor) drop(dropped []*machine) error {
	var errs []error
	for _, m := range dropped {
		errs = append(errs, m.remove())
	}
	s.mu.Lock()
	s.machines = slices.DeleteFunc(s.machines, func(m *machine) bool { return slices.Contains(dropped, m) })
	s.mu.Unlock()
	return errors.Join(append(errs, s.writeNames())...)
}

// takeDown removes everything that the lab consists of.
func (s *supervisor) takeDown() error {
	slog.Info("taking the lab down")
	s.mu.Lock() // operate adds to the group under the lock
	s.mu.Unlock()
	s.operations.Wait()
	s.mu.Lock()
	machines := s.machines
	s.machines = nil
	s.mu.Unlock()
	errs := make([]error, len(machines))
	var group sync.WaitGroup
	for i, m := range machines {
		group.Go(func() { errs[i] = m.remove() })
	}
	group.Wait()
	if s.network != nil {
		s.network.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if s.hierarchies != nil && s.spec.Name != "" {
		errs = append(errs, cgroup.Remove(ctx, s.hierarchies, s.spec.Name, ""))
	}
	_ = unix.Unmount(s.hostProc(), unix.MNT_DETACH)
	err := errors.Join(errs...)
	if err != nil {
		slog.Error("the lab could not be taken down completely", "error", err)
		return err
	}
	return RemoveStateDir(s.stateDir)
}

package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/enter"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/host"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/supervisor"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/wire"
)

// hooked remembers that the program can become a supervisor.
var hooked atomic.Bool

// SuperviseIfAsked must be the first thing that a program does that uses this
// package. In the processes of a lab, which run the same executable, it does
// not return.
func SuperviseIfAsked() {
	supervisor.RunIfAsked()
	hooked.Store(true)
}

// Check tells what this host lacks to run a lab and cannot install by itself:
// root, or features of the kernel. It changes nothing but that it loads kernel
// modules.
func Check() error { return host.Check() }

func prepareHost(ctx context.Context, progress func(string)) error {
	if !hooked.Load() {
		return errors.New("this program does not call lab.SuperviseIfAsked when it starts")
	}
	if err := host.Check(); err != nil {
		return err
	}
	return host.Install(ctx, progress)
}

// supervised is the supervisor that this process has started.
type supervised struct{ process *supervisor.Process }

func startSupervisor(ctx context.Context, spec *wire.Spec) (owner, error) {
	lock, err := lockState(ctx, spec)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	if err := supervisor.Clean(ctx, spec.StateDir, spec.Name); err != nil {
		return nil, fmt.Errorf("clean up after an earlier lab %s: %w", spec.Name, err)
	}
	supervisor.Sweep(ctx)
	process, err := supervisor.Start(spec.StateDir, lock)
	if err != nil {
		return nil, errors.Join(err, supervisor.RemoveStateDir(spec.StateDir))
	}
	return &supervised{process: process}, nil
}

// lockState takes the state directory of a lab that does not run. It waits for
// one that is just ending, as that of an interrupted 'lab up'.
func lockState(ctx context.Context, spec *wire.Spec) (*os.File, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTimeout, errMute)
	defer cancel()
	var lock *os.File
	err := poll(ctx, func() (bool, error) {
		var err error
		if lock, err = supervisor.Lock(spec.StateDir); err != nil || lock != nil {
			return true, err
		}
		running, err := Open(ctx, Options{Name: spec.Name, Dir: filepath.Dir(spec.StateDir)})
		if err == nil && !running.status.Ending {
			return false, cli.WithHint(fmt.Errorf("lab %q: %w", spec.Name, ErrExists),
				"see 'lab status'; 'lab add' adds machines, 'lab down' removes the lab")
		}
		return false, nil
	}, fmt.Sprintf("make lab %s: there is one already", spec.Name))
	return lock, err
}

func (s *supervised) call(ctx context.Context, request wire.Request, progress func(string)) (*wire.Lab, error) {
	return s.process.Owner.Call(ctx, request, progress)
}

func (s *supervised) disconnect() { _ = s.process.Owner.Close() }

func (s *supervised) wait(ctx context.Context) error { return s.process.Wait(ctx) }

// dial connects to the supervisor of a running lab.
func dial(ctx context.Context, stateDir string) (*wire.Conn, error) {
	if os.Geteuid() != 0 {
		return nil, cli.WithHint(host.ErrNotRoot, "run it with sudo")
	}
	dialer := net.Dialer{Timeout: 10 * time.Second}
	conn, err := dialer.DialContext(ctx, "unix", filepath.Join(stateDir, socketName))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED) {
		return nil, whyAbsent(stateDir)
	}
	if err != nil {
		return nil, fmt.Errorf("reach the supervisor of lab %s: %w", filepath.Base(stateDir), err)
	}
	return wire.NewConn(conn), nil
}

// errMute says that there is a supervisor without an open socket.
var errMute = errors.New("its supervisor does not answer")

// whyAbsent is the error about a lab that cannot be reached.
func whyAbsent(stateDir string) error {
	name := filepath.Base(stateDir)
	if _, err := os.Stat(stateDir); errors.Is(err, fs.ErrNotExist) {
		return cli.WithHint(fmt.Errorf("lab %q: %w", name, ErrNotExist), "make it with 'lab up', or choose another with --lab")
	}
	if supervisor.Locked(stateDir) {
		return cli.WithHint(fmt.Errorf("lab %q: %w", name, errMute), "try again, or remove it with 'lab down'")
	}
	return cli.WithHint(fmt.Errorf("lab %q: %w: %w", name, ErrNotExist, ErrCrashed),
		"'lab down' removes what is left of it, 'lab up' also makes it anew")
}

// Remove takes a lab down like Close. It also ends one whose supervisor does
// not answer, and removes what is left of one whose supervisor was killed. It
// tells whether there was anything.
func Remove(ctx context.Context, options Options) (bool, error) {
	stateDir, err := stateDir(options.Dir, options.Name)
	if err != nil {
		return false, err
	}
	if os.Geteuid() != 0 {
		return false, cli.WithHint(host.ErrNotRoot, "run it with sudo")
	}
	defer supervisor.Sweep(ctx)
	if _, err := os.Stat(stateDir); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	err = closeOrKill(ctx, options, stateDir)
	if err == nil {
		// The supervisor has ended, or is about to.
		ctx, cancel := context.WithTimeoutCause(ctx, removeTimeout, fmt.Errorf("it takes longer than %s", removeTimeout))
		defer cancel()
		err = poll(ctx, func() (bool, error) { return removeRest(ctx, options.Name, stateDir) }, "its supervisor does not end")
	}
	if err != nil {
		return true, fmt.Errorf("take lab %s down: %w", options.Name, err)
	}
	return true, nil
}

const (
	// answerTimeout is how long a supervisor that works may take to answer.
	answerTimeout = 5 * time.Second
	// removeTimeout bounds the removal of what a dead supervisor has left.
	removeTimeout = 20 * time.Second
)

func closeOrKill(ctx context.Context, options Options, stateDir string) error {
	askCtx, cancel := context.WithTimeoutCause(ctx, answerTimeout, errors.New("its supervisor does not answer"))
	defer cancel()
	lab, err := Open(askCtx, options)
	for errors.Is(err, errMute) && askCtx.Err() == nil {
		// A supervisor that has just been started opens its socket soon.
		_ = pause(askCtx)
		lab, err = Open(askCtx, options)
	}
	switch {
	case err == nil:
		err = lab.Close(ctx)
	case errors.Is(err, ErrNotExist):
		return nil
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	progressTo(options.Log)(fmt.Sprintf("lab %s is killed: %v", options.Name, err))
	return supervisor.Kill(stateDir)
}

// removeRest removes what a dead supervisor has left. It tells whether that
// was possible, which it is not before the supervisor is dead.
func removeRest(ctx context.Context, name, stateDir string) (bool, error) {
	if _, err := os.Stat(stateDir); errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	lock, err := supervisor.Lock(stateDir)
	if err != nil || lock == nil {
		return false, err
	}
	defer lock.Close()
	if err := supervisor.Clean(ctx, stateDir, name); err != nil {
		return false, err
	}
	return true, supervisor.RemoveStateDir(stateDir)
}

// List names the labs in a directory, also those of which only remains are
// left; an empty directory means DirVariable.
func List(dir string) ([]string, error) {
	dir, err := labsDir(dir)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the labs: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// runInside runs a process in the machine whose init has the given id.
func runInside(ctx context.Context, pid int, process *exec.Cmd, tty bool) error {
	if tty {
		return runOnTerminal(ctx, pid, process)
	}
	process.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	process.Cancel = func() error { return terminate(process) }
	if err := enter.Start(pid, process); err != nil {
		return err
	}
	return process.Wait()
}

// terminate ends a process and what it has started in its session.
func terminate(process *exec.Cmd) error {
	if err := unix.Kill(-process.Process.Pid, unix.SIGTERM); err != nil {
		return os.ErrProcessDone
	}
	return nil
}

func killedBy(state *os.ProcessState) (int, bool) {
	status, ok := state.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		return 0, false
	}
	return int(status.Signal()), true
}

func writeFile(pid int, path string, content io.Reader, mode fs.FileMode) error {
	return enter.WriteFile(pid, path, content, mode)
}

func openFile(pid int, path string) (io.ReadCloser, error) { return enter.OpenFile(pid, path) }

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
	lock, err := supervisor.Lock(spec.StateDir)
	if err != nil {
		return nil, err
	}
	if lock == nil {
		return nil, cli.WithHint(fmt.Errorf("lab %q: %w", spec.Name, ErrExists),
			"see 'lab status'; 'lab add' adds machines, 'lab down' removes the lab")
	}
	defer lock.Close()
	if err := supervisor.Clean(ctx, spec.StateDir, spec.Name); err != nil {
		return nil, fmt.Errorf("clean up after an earlier lab %s: %w", spec.Name, err)
	}
	process, err := supervisor.Start(spec.StateDir, lock)
	if err != nil {
		return nil, errors.Join(err, supervisor.RemoveStateDir(spec.StateDir))
	}
	return &supervised{process: process}, nil
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
		return nil, notExist(filepath.Base(stateDir))
	}
	if err != nil {
		return nil, fmt.Errorf("reach the supervisor of lab %s: %w", filepath.Base(stateDir), err)
	}
	return wire.NewConn(conn), nil
}

// Remove takes a lab down like Close, and also removes what is left of one
// whose supervisor was killed. It tells whether there was anything.
func Remove(ctx context.Context, options Options) (bool, error) {
	stateDir, err := stateDir(options.Dir, options.Name)
	if err != nil {
		return false, err
	}
	lab, err := Open(ctx, options)
	switch {
	case err == nil:
		if err := lab.Close(ctx); err != nil {
			return true, err
		}
	case !errors.Is(err, ErrNotExist):
		return false, err
	}
	_, statErr := os.Stat(stateDir)
	if found := err == nil || statErr == nil; !found {
		return false, nil
	}
	ctx, cancel := downContext(ctx)
	defer cancel()
	return true, poll(ctx, func() (bool, error) {
		lock, err := supervisor.Lock(stateDir)
		if err != nil || lock == nil {
			return false, err
		}
		defer lock.Close()
		if err := supervisor.Clean(ctx, stateDir, options.Name); err != nil {
			return false, err
		}
		return true, supervisor.RemoveStateDir(stateDir)
	}, fmt.Sprintf("the supervisor of lab %s does not end", options.Name))
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

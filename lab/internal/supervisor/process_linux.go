package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/wire"
)

// RoleVariable tells a new process of the program's own executable that it is
// part of a lab.
const RoleVariable = "GRAVITY_LAB_ROLE"

// The roles.
const (
	roleSupervisor = "supervisor"
	roleMachine    = "machine"
)

// Files that a supervisor inherits.
const (
	lockFD  = 3
	ownerFD = 4
)

// Names below a lab's state directory.
const (
	SocketName = "supervisor.sock"
	LogName    = "supervisor.log"
	lockName   = "lock"
)

// processName is what ps shows of a supervisor, before the state directory.
const processName = "gravity-lab-supervisor"

// RunIfAsked runs the role that the environment asks for and ends the process;
// it returns if there is none.
func RunIfAsked() {
	role := os.Getenv(RoleVariable)
	if role == "" {
		return
	}
	_ = os.Unsetenv(RoleVariable)
	var err error
	switch role {
	case roleSupervisor:
		err = run()
	case roleMachine:
		err = becomeMachine(os.Args[1:])
	default:
		err = fmt.Errorf("%s=%s: no such role", RoleVariable, role)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "lab: %s: %v\n", role, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Lock takes the state directory of a lab that does not run, making it if
// necessary. It returns nil if a supervisor has it.
func Lock(stateDir string) (*os.File, error) {
	for range 10 {
		if err := os.MkdirAll(stateDir, 0o700); err != nil {
			return nil, fmt.Errorf("make the lab's state directory: %w", err)
		}
		file, err := os.OpenFile(filepath.Join(stateDir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a lab that goes down has just removed the directory
		}
		if err != nil {
			return nil, fmt.Errorf("lock the lab's state directory: %w", err)
		}
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(err, unix.EWOULDBLOCK) {
			_ = file.Close()
			return nil, nil
		}
		if err != nil {
			_ = file.Close()
			return nil, fmt.Errorf("lock %s: %w", file.Name(), err)
		}
		if sameFile(file) {
			return file, nil
		}
		_ = file.Close()
	}
	return nil, fmt.Errorf("lock the lab's state directory %s: it is removed again and again", stateDir)
}

// Locked tells whether a supervisor has the state directory. Unlike Lock it
// makes nothing.
func Locked(stateDir string) bool {
	file, err := os.Open(filepath.Join(stateDir, lockName))
	if err != nil {
		return false
	}
	defer file.Close()
	return errors.Is(unix.Flock(int(file.Fd()), unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK)
}

// Kill ends the supervisor that holds the lock of a state directory, and with
// it its lab, without asking. It is for one that does not answer.
func Kill(stateDir string) error {
	content, err := os.ReadFile(filepath.Join(stateDir, lockName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find the lab's supervisor: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return fmt.Errorf("find the lab's supervisor: %s has no process id", lockName)
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		return fmt.Errorf("find the lab's supervisor: %w", err)
	}
	defer func() { _ = process.Release() }()
	// The process is held now, so its id cannot pass on to another one between
	// the look and the signal.
	command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || !strings.HasPrefix(string(command), processName+"\x00"+stateDir+"\x00") {
		return nil
	}
	if err := process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill the lab's supervisor: %w", err)
	}
	return nil
}

// sameFile tells whether a file is still the one at its path.
func sameFile(file *os.File) bool {
	opened, err := file.Stat()
	if err != nil {
		return false
	}
	current, err := os.Stat(file.Name())
	return err == nil && os.SameFile(opened, current)
}

// RemoveStateDir removes an empty state directory with its lock, and the
// directory above if this was the last lab in it.
func RemoveStateDir(stateDir string) error {
	if err := os.RemoveAll(stateDir); err != nil {
		return fmt.Errorf("remove the lab's state directory: %w", err)
	}
	_ = os.Remove(filepath.Dir(stateDir))
	return nil
}

// Process is a supervisor that this process has started.
type Process struct {
	// Owner is the connection whose end is the end of the lab, until OpCommit.
	Owner *wire.Conn

	command *exec.Cmd
	exited  chan struct{}
}

// Start starts a supervisor that takes over the lock of a state directory.
func Start(stateDir string, lock *os.File) (*Process, error) {
	log, err := os.OpenFile(filepath.Join(stateDir, LogName), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the supervisor's log: %w", err)
	}
	defer log.Close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make the owner's connection: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "owner")
	defer theirs.Close()
	ours := os.NewFile(uintptr(pair[0]), "owner")
	defer ours.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, fmt.Errorf("make the owner's connection: %w", err)
	}
	command := &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{processName, stateDir},
		Env: append(os.Environ(), RoleVariable+"="+roleSupervisor),
		Dir: "/", Stdout: log, Stderr: log, ExtraFiles: []*os.File{lock, theirs},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID},
	}
	if err := command.Start(); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("start the lab's supervisor: %w", err)
	}
	// For Kill. Whoever finds no id there waits for this process instead.
	_ = lock.Truncate(0)
	_, _ = lock.WriteAt([]byte(strconv.Itoa(command.Process.Pid)), 0)
	process := &Process{Owner: wire.NewConn(conn), command: command, exited: make(chan struct{})}
	go func() {
		defer close(process.exited)
		_ = command.Wait()
	}()
	return process, nil
}

// Wait waits for the end of the supervisor and so of all of the lab. If it
// does not come before the context ends, the supervisor is killed.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.exited:
		return nil
	case <-ctx.Done():
	}
	_ = p.command.Process.Kill()
	<-p.exited
	return fmt.Errorf("the lab's supervisor did not end and was killed: %w", context.Cause(ctx))
}

// Exited is closed when the supervisor is gone.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// run is the supervisor's main function.
func run() error {
	unix.CloseOnExec(lockFD)
	unix.CloseOnExec(ownerFD)
	// The owner's terminal may go away, and its signals are not for the lab.
	signal.Ignore(unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM)
	defer stop()
	inherited := os.NewFile(ownerFD, "owner")
	owner, err := net.FileConn(inherited)
	if err != nil {
		return fmt.Errorf("take the owner's connection: %w", err)
	}
	// FileConn has its own copy.
	_ = inherited.Close()
	newSupervisor(os.Args[1], slog.New(slog.NewTextHandler(os.Stderr, nil))).run(ctx, owner)
	return nil
}

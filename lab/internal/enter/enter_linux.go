package enter

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/cgroup"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/thread"
)

// namespaces of a machine in the order of entering; the mount namespace is
// last because it takes /proc and /sys of the host away.
var namespaces = []struct {
	name string
	flag int
}{
	{"ipc", unix.CLONE_NEWIPC},
	{"uts", unix.CLONE_NEWUTS},
	{"net", unix.CLONE_NEWNET},
	{"pid", unix.CLONE_NEWPID},
	{"cgroup", unix.CLONE_NEWCGROUP},
	{"mnt", unix.CLONE_NEWNS},
}

// Start starts a command inside the machine whose init has the given process
// id. The command's path and directory are those of the machine.
//
// A thread of this process enters the machine, starts the command and ends;
// no other goroutine ever runs on it.
func Start(pid int, command *exec.Cmd) error {
	return thread.Run(func() error { return start(pid, command) })
}

func start(pid int, command *exec.Cmd) error {
	target, err := open(pid)
	if err != nil {
		return err
	}
	defer target.close()
	if err := target.joinCgroups(command); err != nil {
		return err
	}
	if err := target.enter(); err != nil {
		return err
	}
	return command.Start()
}

// target holds what is needed of a machine, opened while this thread still
// sees the host.
type target struct {
	namespaces []*os.File
	root       *os.File
	// tasks are files of cgroup v1 that take single threads.
	tasks   []*os.File
	unified *os.File
}

func open(pid int) (_ *target, err error) {
	t := &target{}
	defer func() {
		if err != nil {
			t.close()
			err = fmt.Errorf("enter the machine of process %d: %w", pid, err)
		}
	}()
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	for _, namespace := range namespaces {
		file, err := os.Open(filepath.Join(proc, "ns", namespace.name))
		if err != nil {
			return nil, err
		}
		t.namespaces = append(t.namespaces, file)
	}
	if t.root, err = os.OpenFile(filepath.Join(proc, "root"), unix.O_PATH|unix.O_DIRECTORY, 0); err != nil {
		return nil, err
	}
	hierarchies, err := cgroup.Hierarchies()
	if err != nil {
		return nil, err
	}
	directories, err := cgroup.Of(hierarchies, pid)
	if err != nil {
		return nil, err
	}
	for hierarchy, directory := range directories {
		if hierarchy.Unified {
			t.unified, err = os.OpenFile(directory, unix.O_PATH|unix.O_DIRECTORY, 0)
		} else {
			var file *os.File
			file, err = os.OpenFile(filepath.Join(directory, "tasks"), os.O_WRONLY, 0)
			if err == nil {
				t.tasks = append(t.tasks, file)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *target) close() {
	for _, file := range append(append(t.namespaces, t.tasks...), t.root, t.unified) {
		if file != nil {
			_ = file.Close()
		}
	}
}

// joinCgroups moves this thread into the machine's cgroups, for the command to
// inherit. In cgroup v2 a thread cannot move, so the command is born there.
func (t *target) joinCgroups(command *exec.Cmd) error {
	for _, file := range t.tasks {
		if _, err := file.WriteString("0"); err != nil {
			return fmt.Errorf("join a machine's cgroup: %w", err)
		}
	}
	if t.unified == nil {
		return nil
	}
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	command.SysProcAttr.UseCgroupFD = true
	command.SysProcAttr.CgroupFD = int(t.unified.Fd())
	return nil
}

func (t *target) enter() error {
	// A thread may change its mount namespace only if it shares root and
	// working directory with no other.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("enter a machine: %w", err)
	}
	for i, namespace := range namespaces {
		if err := unix.Setns(int(t.namespaces[i].Fd()), namespace.flag); err != nil {
			return fmt.Errorf("enter a machine's %s namespace: %w", namespace.name, err)
		}
	}
	err := errors.Join(unix.Fchdir(int(t.root.Fd())), unix.Chroot("."))
	if err != nil {
		return fmt.Errorf("enter a machine's root: %w", err)
	}
	return nil
}

// OpenTerminal makes a terminal of the machine. The program in the machine
// gets the second file as its standard files and controlling terminal.
func OpenTerminal(pid int) (terminal, peer *os.File, err error) {
	path := filepath.Join("/proc", strconv.Itoa(pid), "root/dev/pts/ptmx")
	terminal, err = os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("open a terminal: %w", err)
	}
	defer func() {
		if err != nil {
			_ = terminal.Close()
		}
	}()
	// Not by terminal.Fd(), which would take the file off the poller, and with
	// it its deadlines.
	conn, err := terminal.SyscallConn()
	if err != nil {
		return nil, nil, fmt.Errorf("open a terminal: %w", err)
	}
	controlErr := conn.Control(func(fd uintptr) { peer, err = openPeer(fd) })
	return terminal, peer, errors.Join(err, controlErr)
}

func openPeer(terminal uintptr) (*os.File, error) {
	if err := unix.IoctlSetPointerInt(int(terminal), unix.TIOCSPTLCK, 0); err != nil {
		return nil, fmt.Errorf("unlock a terminal: %w", err)
	}
	fd, _, errno := unix.Syscall(unix.SYS_IOCTL, terminal, unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		return nil, fmt.Errorf("open the other end of a terminal: %w", errno)
	}
	return os.NewFile(fd, "pts"), nil
}

package supervisor

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/cgroup"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/network"
)

// command is the machine as a process: this program, which enters the
// machine's network namespace and cgroups and then becomes nspawn. nspawn is
// not told about the network, since it mounts /sys before it would enter the
// namespace, and the machine would see the host's interfaces there.
func (m *machine) command(cgroups []string, notifyName string) (*exec.Cmd, error) {
	nspawn, err := exec.LookPath("systemd-nspawn")
	if err != nil {
		return nil, fmt.Errorf("start machine: %w", err)
	}
	arguments := slices.Concat([]string{"gravity-lab-machine", m.netnsFile()}, cgroups, []string{
		"--", nspawn,
		"--boot", "--quiet",
		"--directory=" + m.disk.Root,
		"--machine=" + m.name,
		"--register=no", "--keep-unit", "--settings=no", "--notify-ready=yes",
		"--resolv-conf=off", "--timezone=off", "--link-journal=no",
		"--capability=all", "--system-call-filter=@known",
		"--console=read-only",
		"--bind=" + m.disk.Data + ":/var/lib/gravity",
	})
	for _, device := range []string{"/dev/fuse", "/dev/kmsg", "/dev/net/tun"} {
		if _, err := os.Stat(device); err == nil {
			arguments = append(arguments, "--bind="+device)
		}
	}
	if _, err := os.Stat("/lib/modules"); err == nil {
		arguments = append(arguments, "--bind-ro=/lib/modules")
	}
	return &exec.Cmd{
		Path: "/proc/self/exe", Args: arguments, Dir: "/",
		Env: []string{
			RoleVariable + "=" + roleMachine,
			"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			// kubelet and runc write to /proc/sys and /sys.
			"SYSTEMD_NSPAWN_API_VFS_WRITABLE=1",
			// /tmp is on the machine's disk, where large files have room.
			"SYSTEMD_NSPAWN_TMPFS_TMP=0",
			// Nobody else knows the root directory, and locks of a killed
			// nspawn would stay.
			"SYSTEMD_NSPAWN_LOCK=0",
			"NOTIFY_SOCKET=" + notifyName,
		},
	}, nil
}

// becomeMachine is the main function of the role roleMachine. Its arguments
// are the network namespace, the cgroups, "--" and the program.
func becomeMachine(arguments []string) error {
	split := slices.Index(arguments, "--")
	if split < 1 || split == len(arguments)-1 {
		return errors.New("wrong arguments for a machine")
	}
	program := arguments[split+1:]
	if err := cgroup.Join(arguments[1:split]); err != nil {
		return err
	}
	// Only this thread enters the namespace, so it must be the one that becomes
	// the program.
	runtime.LockOSThread()
	if err := network.Enter(arguments[0]); err != nil {
		return err
	}
	return fmt.Errorf("execute %s: %w", program[0], unix.Exec(program[0], program, os.Environ()))
}

// greet asks sshd for its greeting, from within the machine's network
// namespace, so that a machine that is cut off can also start.
func (m *machine) greet() error {
	return network.In(m.netnsFile(), func() error {
		address := netip.AddrPortFrom(m.address, sshPort)
		conn, err := net.DialTimeout("tcp4", address.String(), time.Second)
		if err != nil {
			return err
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
			return err
		}
		greeting := make([]byte, 4)
		if _, err := conn.Read(greeting); err != nil {
			return err
		}
		if string(greeting) != "SSH-" {
			return fmt.Errorf("port %d answers %q", sshPort, greeting)
		}
		return nil
	})
}

// notifySocket receives sd_notify messages of nspawn. It is on the lab's own
// file system of run-time files: an abstract socket would not be visible from
// the machine's network namespace, and a path below the state directory could
// be longer than a socket's may be.
type notifySocket struct {
	*net.UnixConn
	name string
}

func listenNotify(machine string) (*notifySocket, error) {
	name := filepath.Join(runtimeDir, machine+".notify")
	_ = os.Remove(name)
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: name})
	if err != nil {
		return nil, fmt.Errorf("listen for the machine's state: %w", err)
	}
	return &notifySocket{UnixConn: conn, name: name}, nil
}

// receive calls f for each message until the socket is closed.
func (n *notifySocket) receive(f func(leader int, ready bool)) {
	buffer := make([]byte, 4096)
	for {
		length, err := n.Read(buffer)
		if err != nil {
			return
		}
		var leader int
		var ready bool
		for line := range strings.Lines(string(buffer[:length])) {
			line = strings.TrimSpace(line)
			if value, ok := strings.CutPrefix(line, "X_NSPAWN_LEADER_PID="); ok {
				leader, _ = strconv.Atoi(value)
			}
			ready = ready || line == "READY=1"
		}
		f(leader, ready)
	}
}

// tailOf returns the last lines of a file in one line.
func tailOf(path string, lines int) string {
	content, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return ""
	}
	var kept []string
	for line := range strings.Lines(string(content)) {
		if line = strings.TrimSpace(line); line != "" {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept[max(0, len(kept)-lines):], " | ")
}

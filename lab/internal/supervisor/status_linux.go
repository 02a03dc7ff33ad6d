package supervisor

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/keys"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/rootfs"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/wire"
)

func (s *supervisor) keyFile() string        { return filepath.Join(s.stateDir, "id_ed25519") }
func (s *supervisor) knownHostsFile() string { return filepath.Join(s.stateDir, "known_hosts") }
func (s *supervisor) sshConfigFile() string  { return filepath.Join(s.stateDir, "ssh_config") }

// status is the lab as clients see it.
func (s *supervisor) status() *wire.Lab {
	s.mu.Lock()
	defer s.mu.Unlock()
	lab := &wire.Lab{
		Name: filepath.Base(s.stateDir), StateDir: s.stateDir, Owned: !s.committed, Ending: s.end.Err() != nil, Since: s.since,
		SupervisorPID: s.hostPID(unix.Getpid()), Warnings: s.warnings, Machines: []wire.Machine{},
	}
	if !s.created {
		return lab
	}
	lab.Name = s.spec.Name
	lab.Subnet, lab.Gateway, lab.HostAddress = s.network.Subnet, s.network.Gateway(), s.network.Host()
	lab.KeyFile, lab.KnownHostsFile, lab.SSHConfigFile = s.keyFile(), s.knownHostsFile(), s.sshConfigFile()
	for _, m := range s.machines {
		lab.Machines = append(lab.Machines, m.status())
	}
	return lab
}

// status is a machine as clients see it.
func (m *machine) status() wire.Machine {
	m.mu.Lock()
	defer m.mu.Unlock()
	status := wire.Machine{
		Name: m.name, Address: m.address, State: m.state, Connected: m.connected, Note: m.note,
		User: "root", SudoUser: rootfs.AdminUser, Port: sshPort,
		KeyFile: m.lab.keyFile(), KnownHostsFile: m.lab.knownHostsFile(),
		BootSeconds: m.bootTime.Seconds(), ConsoleFile: m.consoleFile(),
	}
	if m.disk != nil {
		status.Disk = wire.Disk{Kind: m.disk.Kind, Path: m.disk.Path, Size: m.lab.spec.DiskSize, Allocated: m.disk.Allocated()}
	}
	if m.leader != 0 {
		status.PID = m.lab.hostPID(m.leader)
	}
	return status
}

// hostPID is the id that the host has for a process of the supervisor's PID
// namespace; zero if it is gone. The kernel translates it when it describes a
// pidfd in the host's /proc.
func (s *supervisor) hostPID(pid int) int {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	file, err := os.Open(filepath.Join(s.hostProc(), "self/fdinfo", strconv.Itoa(fd)))
	if err != nil {
		return 0
	}
	defer file.Close()
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		if value, ok := strings.CutPrefix(scanner.Text(), "Pid:"); ok {
			host, _ := strconv.Atoi(strings.TrimSpace(value))
			return max(host, 0)
		}
	}
	return 0
}

// writeNames tells everyone the machines' names: all machines by their hosts
// files, ssh by its known hosts and configuration.
func (s *supervisor) writeNames() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var known, config, hosts strings.Builder
	fmt.Fprintf(&config, "# ssh -F %s NAME\nHost *\n  User root\n  IdentityFile %s\n  IdentitiesOnly yes\n"+
		"  UserKnownHostsFile %s\n  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n  ConnectTimeout 10\n",
		s.sshConfigFile(), s.keyFile(), s.knownHostsFile())
	for _, m := range s.machines {
		fmt.Fprintln(&known, keys.KnownHost(m.name, m.address, m.hostKey.Public))
		fmt.Fprintf(&config, "Host %s\n  HostName %s\n", m.name, m.address)
		fmt.Fprintf(&hosts, "%s %s\n", m.address, m.name)
	}
	for path, content := range map[string]string{s.knownHostsFile(): known.String(), s.sshConfigFile(): config.String()} {
		if err := replaceFile(path, content); err != nil {
			return err
		}
	}
	for _, m := range s.machines {
		if err := m.writeHosts(hosts.String()); err != nil {
			return err
		}
	}
	return nil
}

// replaceFile changes a file in one step, so that ssh never reads half of it.
func replaceFile(path, content string) error {
	temporary := path + ".tmp"
	if err := os.WriteFile(temporary, []byte(content), 0o600); err != nil {
		return fmt.Errorf("write the lab's ssh files: %w", err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("write the lab's ssh files: %w", err)
	}
	return nil
}

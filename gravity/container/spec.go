package container

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// capabilityNames are the kernel's capabilities by the number of their bit.
var capabilityNames = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID",
	"CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW",
	"CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT",
	"CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD",
	"CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG",
	"CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
}

const capabilityResource = "CAP_SYS_RESOURCE"

// capabilities are those that this host can give: a sandbox may lack some, and
// runc refuses a container that asks for more.
func capabilities() ([]string, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil, err
	}
	return parseCapabilities(status)
}

func parseCapabilities(status []byte) ([]string, error) {
	lines := bufio.NewScanner(bytes.NewReader(status))
	for lines.Scan() {
		hex, ok := strings.CutPrefix(lines.Text(), "CapBnd:")
		if !ok {
			continue
		}
		mask, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
		if err != nil {
			return nil, fmt.Errorf("read the capabilities: %w", err)
		}
		var names []string
		for bit, name := range capabilityNames {
			if mask&(1<<bit) != 0 {
				names = append(names, name)
			}
		}
		return names, nil
	}
	return nil, errors.New("/proc/self/status tells no capabilities")
}

// spec is the container for runc: the host's network and cgroups, all devices,
// namespaces of its own for the rest. Mounts that are made below the state
// folder are seen on the host and outlive nothing but the container.
func spec(p paths.Paths, n *node.Node, capabilities []string) *specs.Spec {
	mounts := []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc"},
		{Destination: "/dev", Type: "bind", Source: "/dev", Options: []string{"rbind", "rslave"}},
		{Destination: "/sys", Type: "bind", Source: "/sys", Options: []string{"rbind", "rslave"}},
		{Destination: "/run", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev", "mode=755"}},
		{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev", "mode=1777"}},
		{Destination: paths.Inside, Type: "bind", Source: p.Root, Options: []string{"rbind", "rshared"}},
		{Destination: "/etc/hosts", Type: "bind", Source: p.Hosts(), Options: []string{"bind"}},
		{Destination: "/etc/resolv.conf", Type: "bind", Source: p.Resolv(), Options: []string{"bind"}},
	}
	bound := p.Bound()
	for _, inside := range slices.Sorted(maps.Keys(bound)) {
		mounts = append(mounts, specs.Mount{
			Destination: inside, Type: "bind", Source: bound[inside], Options: []string{"rbind", "rshared"},
		})
	}
	for _, mount := range n.Mounts {
		if mount.Target == "" {
			continue
		}
		how := "bind"
		if mount.Recursive {
			how = "rbind"
		}
		mounts = append(mounts, specs.Mount{
			Destination: mount.Target, Type: "bind", Source: mount.Source, Options: []string{how, "rshared"},
		})
	}
	return &specs.Spec{
		Version:  specs.Version,
		Hostname: n.Name,
		Process: &specs.Process{
			Args: []string{"/lib/systemd/systemd"},
			Env: []string{
				"container=gravity", "KUBECONFIG=/etc/kubernetes/admin.conf", "HOME=/root",
				"PATH=" + searchPath,
			},
			Cwd:          "/",
			Capabilities: &specs.LinuxCapabilities{Bounding: capabilities, Effective: capabilities, Permitted: capabilities},
		},
		Root:   &specs.Root{Path: "rootfs"},
		Mounts: mounts,
		Linux: &specs.Linux{
			RootfsPropagation: "rshared",
			Namespaces: []specs.LinuxNamespace{
				{Type: specs.PIDNamespace}, {Type: specs.MountNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace},
			},
			CgroupsPath: "/" + Name,
			Resources:   &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}}},
		},
	}
}

package preflight

import (
	"context"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
)

func TestHealthyMachinePasses(t *testing.T) {
	// Syncs are those of the disk that the tests run on.
	for name, result := range results(t, Options{Machine: newMachine(t, nil), Skip: []string{"disk-latency"}}) {
		if result.Status != StatusPassed && name != "disk-latency" {
			t.Errorf("%s: %+v", name, result)
		}
	}
}

// rule is one thing that is wrong with a machine, or right.
type rule struct {
	name     string
	files    map[string]string // in place of healthy ones
	machine  func(*Machine)
	options  func(*Options)
	check    string
	status   Status
	measured string // a part of it
}

func requires(requirements manifest.Requirements) func(*Options) {
	return func(o *Options) { o.Profile.Requirements = requirements }
}

var rules = []rule{
	{name: "not root", machine: func(m *Machine) { m.UID = 1000 }, check: "root", status: StatusFailed, measured: "1000"},
	{name: "other architecture", machine: func(m *Machine) { m.Architecture = "arm64" }, check: "architecture", status: StatusFailed},
	{
		name: "other system", options: requires(manifest.Requirements{OS: []manifest.OS{{Name: "rhel", Versions: []string{"9"}}}}),
		check: "operating-system", status: StatusFailed, measured: "debian 12",
	},
	{
		name: "prefix of a version", options: requires(manifest.Requirements{OS: []manifest.OS{{Name: "Debian", Versions: []string{"1"}}}}),
		check: "operating-system", status: StatusFailed,
	},
	{
		name: "one of two systems", options: requires(manifest.Requirements{OS: []manifest.OS{{Name: "rhel"}, {Name: "debian"}}}),
		check: "operating-system", status: StatusPassed,
	},
	{name: "no os-release", files: map[string]string{"/etc/os-release": ""}, check: "operating-system", status: StatusFailed, measured: "not measured"},
	{name: "no systemd", files: map[string]string{"/proc/1/comm": "init\n"}, check: "systemd", status: StatusFailed, measured: "init"},
	{name: "old systemd", machine: func(m *Machine) {
		m.Output = func(context.Context, string, ...string) (string, error) { return "systemd 239 (239-82.el8)\n", nil }
	}, check: "systemd-version", status: StatusWarning, measured: "239"},
	{name: "too few processors", options: requires(manifest.Requirements{CPU: manifest.CPU{Min: 3}}), check: "cpu", status: StatusFailed, measured: "2 processors"},
	{name: "too many processors", options: requires(manifest.Requirements{CPU: manifest.CPU{Max: 1}}), check: "cpu", status: StatusFailed},
	{name: "memory without the kernel's", options: requires(manifest.Requirements{RAM: manifest.RAM{Min: 2 << 30}}), check: "memory", status: StatusPassed},
	{name: "too little memory", options: requires(manifest.Requirements{RAM: manifest.RAM{Min: 4e9}}), check: "memory", status: StatusFailed, measured: "2.1 GB"},
	{name: "too much memory", options: requires(manifest.Requirements{RAM: manifest.RAM{Max: 1e9}}), check: "memory", status: StatusFailed},
	{name: "swap", files: map[string]string{"/proc/swaps": "Filename\n/dev/sda2 partition 100 0 -2\n"}, check: "swap", status: StatusWarning, measured: "/dev/sda2"},
	{name: "underscore", machine: func(m *Machine) { m.Hostname = "node_1" }, check: "hostname", status: StatusFailed},
	{name: "localhost", machine: func(m *Machine) { m.Hostname = "localhost.localdomain" }, check: "hostname", status: StatusFailed},
	{name: "capitals", machine: func(m *Machine) { m.Hostname = "Node-1.Example.com" }, check: "hostname", status: StatusPassed},
	{name: "address of another machine", machine: func(m *Machine) {
		m.Lookup = func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("192.0.2.9")}, nil
		}
	}, check: "hostname-resolution", status: StatusWarning, measured: "192.0.2.9"},
	{name: "clock", machine: func(m *Machine) { m.ClockSynchronised = func() (bool, error) { return false, nil } }, check: "clock", status: StatusWarning},
	{name: "docker", files: map[string]string{"/proc/77/comm": "dockerd\n"}, check: "conflicting-processes", status: StatusFailed, measured: "dockerd (pid 77)"},
	{name: "etcd's data", files: map[string]string{"/var/lib/etcd/member/wal": "x"}, check: "kubernetes-leftovers", status: StatusFailed, measured: "/var/lib/etcd/member"},
	{name: "enforcing", files: map[string]string{"/sys/fs/selinux/enforce": "1"}, machine: func(m *Machine) {
		m.Output = func(context.Context, string, ...string) (string, error) {
			return "type=AVC msg=audit(1.2:3): avc:  denied  { execute } for comm=\"(gravity)\"\ntype=AVC denied other\n", nil
		}
	}, check: "selinux", status: StatusWarning, measured: "1 recent denial that"},
	{
		name: "enforcing without auditd", files: map[string]string{"/sys/fs/selinux/enforce": "1"},
		machine: func(m *Machine) {
			m.Output = func(_ context.Context, name string, _ ...string) (string, error) {
				if name != "journalctl" {
					return "", exec.ErrNotFound
				}
				return "audit: avc:  denied  { read } for comm=gravity\nother\naudit: avc:  denied  { write } for path=/var/lib/gravity\n", nil
			}
		},
		check: "selinux", status: StatusWarning, measured: "2 recent denials that",
	},
	{name: "enforcing, no log", files: map[string]string{"/sys/fs/selinux/enforce": "1"}, check: "selinux", status: StatusWarning, measured: "no recent denials"},
	{name: "permissive", files: map[string]string{"/sys/fs/selinux/enforce": "0"}, check: "selinux", status: StatusPassed},
	{name: "firewalld", files: map[string]string{"/proc/9/comm": "firewalld\n"}, check: "firewall", status: StatusWarning, measured: "pid 9"},
	{name: "ufw", files: map[string]string{"/etc/ufw/ufw.conf": "# c\nENABLED=yes\n"}, check: "firewall", status: StatusWarning},
	{name: "old kernel", machine: func(m *Machine) { m.Kernel = "4.18.0-553.el8" }, check: "kernel-version", status: StatusFailed},
	{name: "nearly old kernel", machine: func(m *Machine) { m.Kernel = "5.4.0" }, check: "kernel-version", status: StatusFailed},
	{name: "no vxlan", files: map[string]string{"/proc/modules": "br_netfilter 1 0\nnf_tables 1 0\n"}, check: "kernel-modules", status: StatusFailed, measured: "not available: vxlan"},
	{name: "vxlan to load", files: map[string]string{"/proc/modules": "br_netfilter 1 0\nnf_tables 1 0\n"}, machine: modprobe("insmod /lib/vxlan.ko"), check: "kernel-modules", status: StatusPassed},
	{name: "vxlan blocked", files: map[string]string{"/proc/modules": "br_netfilter 1 0\nnf_tables 1 0\n"}, machine: modprobe("install /bin/false "), check: "kernel-modules", status: StatusFailed},
	{name: "host-gw needs no vxlan", files: map[string]string{"/proc/modules": "br_netfilter 1 0\nnf_tables 1 0\n"}, options: func(o *Options) { o.Network = manifest.NetworkHostGW }, check: "kernel-modules", status: StatusPassed},
	{name: "no wireguard", options: func(o *Options) { o.Network = manifest.NetworkWireGuard }, check: "wireguard-module", status: StatusFailed},
	{name: "no ebtables", options: func(o *Options) { o.HairpinMode = manifest.HairpinPromiscuousBridge }, check: "ebtables-module", status: StatusFailed},
	{name: "forwarding off", files: map[string]string{"/etc/sysctl.conf": "net/ipv4/ip_forward = 0\n"}, check: "sysctl-forwarding", status: StatusWarning, measured: "/etc/sysctl.conf"},
	{
		name: "forwarding off and on", files: map[string]string{"/etc/sysctl.d/1.conf": "net.ipv4.ip_forward=0\n", "/etc/sysctl.d/2.conf": "net.ipv4.ip_forward=1\n"},
		check: "sysctl-forwarding", status: StatusPassed,
	},
	{
		name: "hidden file", files: map[string]string{"/usr/lib/sysctl.d/1.conf": "net.ipv4.ip_forward=0\n", "/etc/sysctl.d/1.conf": "# nothing\n"},
		check: "sysctl-forwarding", status: StatusPassed,
	},
	{name: "few watches", files: map[string]string{"/etc/sysctl.d/1.conf": "fs.inotify.max_user_watches=100\n"}, check: "sysctl-inotify", status: StatusWarning},
	{name: "cgroup 1", files: map[string]string{"/proc/self/mountinfo": versionOne("rw", "cpu,cpuacct", "cpuset", "memory", "pids")}, check: "cgroup-version", status: StatusWarning, measured: "1"},
	{name: "controllers of cgroup 1", files: map[string]string{"/proc/self/mountinfo": versionOne("rw", "cpu,cpuacct", "cpuset", "memory", "pids")}, check: "cgroup-controllers", status: StatusPassed},
	{name: "no memory controller", files: map[string]string{"/sys/fs/cgroup/cgroup.controllers": "cpuset cpu pids"}, check: "cgroup-controllers", status: StatusFailed, measured: "memory"},
	{name: "read-only cgroups", files: map[string]string{"/proc/self/mountinfo": versionOne("ro", "cpu", "cpuset", "memory", "pids")}, check: "cgroup-mounts", status: StatusFailed},
	{name: "no cgroups", files: map[string]string{"/proc/self/mountinfo": mountLine("/", "ext4", "rw", "rw")}, check: "cgroup-mounts", status: StatusFailed},
	{name: "port of the registry", files: map[string]string{"/proc/net/tcp": socketHeader + socketLine("00000000:1388", "0A", 500)}, check: "ports", status: StatusFailed, measured: "5000/tcp (the registry) is used by sshd (pid 40)"},
	{
		name: "port of a worker's neighbour", files: map[string]string{"/proc/net/tcp": socketHeader + socketLine("00000000:1388", "0A", 500)},
		options: func(o *Options) { o.Profile.ServiceRole = manifest.RoleNode }, check: "ports", status: StatusPassed,
	},
	{name: "connection from a port", files: map[string]string{"/proc/net/tcp": socketHeader + socketLine("00000000:1388", "01", 500)}, check: "ports", status: StatusPassed},
	{name: "vxlan's port", files: map[string]string{"/proc/net/udp": socketHeader + socketLine("00000000:2118", "07", 900)}, check: "ports", status: StatusFailed, measured: "8472/udp (VXLAN) is used by no process here"},
	{
		name: "another resolver's address", files: map[string]string{"/proc/net/udp": socketHeader + socketLine("3500007F:0035", "07", 500)},
		options: func(o *Options) { o.DNSAddress = netip.MustParseAddr("127.0.0.2") }, check: "ports", status: StatusPassed,
	},
	{
		name: "the resolver's address", files: map[string]string{"/proc/net/udp": socketHeader + socketLine("00000000:0035", "07", 500)},
		options: func(o *Options) { o.DNSAddress = netip.MustParseAddr("127.0.0.2") }, check: "ports", status: StatusFailed, measured: "53/udp",
	},
	{name: "profile's port", options: requires(manifest.Requirements{Network: manifest.Network{Ports: []manifest.Ports{
		{Protocol: manifest.ProtocolTCP, Ranges: []manifest.PortRange{{First: 20, Last: 30}}},
	}}}), check: "profile-ports", status: StatusFailed, measured: "22/tcp (the application) is used by sshd (pid 40)"},
	{name: "no such address", options: func(o *Options) { o.AdvertiseAddress = netip.MustParseAddr("192.168.7.6") }, check: "advertise-address", status: StatusFailed},
	{name: "loopback", options: func(o *Options) { o.AdvertiseAddress = netip.MustParseAddr("127.0.0.1") }, check: "advertise-address", status: StatusFailed},
	{name: "no default route", machine: func(m *Machine) {
		m.Routes = func() ([]Route, error) {
			return []Route{{To: netip.MustParsePrefix("192.168.7.0/24"), Link: "eth0"}}, nil
		}
	}, check: "advertise-route", status: StatusPassed, measured: "192.168.7.0/24 covers"},
	{name: "no route", machine: func(m *Machine) { m.Routes = func() ([]Route, error) { return nil, nil } }, check: "advertise-route", status: StatusWarning},
	{name: "pods in the machine's network", options: func(o *Options) { o.PodNetwork = netip.MustParsePrefix("192.168.0.0/16") }, check: "network-overlap", status: StatusFailed, measured: "eth0"},
	{name: "pods and services", options: func(o *Options) { o.ServiceNetwork = netip.MustParsePrefix("10.244.3.0/24") }, check: "network-overlap", status: StatusFailed},
	{name: "nfs", files: map[string]string{"/proc/self/mountinfo": mountLine("/", "nfs4", "rw", "rw")}, check: "state-directory", status: StatusFailed, measured: "local"},
	{name: "fuse", files: map[string]string{"/proc/self/mountinfo": mountLine("/", "fuse.sshfs", "rw", "rw")}, check: "state-directory", status: StatusFailed},
	{name: "noexec", files: map[string]string{"/proc/self/mountinfo": mountLine("/", "xfs", "rw,noexec", "rw")}, check: "state-directory", status: StatusFailed, measured: "noexec"},
	{name: "the later mount hides", files: map[string]string{"/proc/self/mountinfo": mountLine("/", "nfs4", "rw", "rw") + mountLine("/", "ext4", "rw", "rw")}, check: "state-directory", status: StatusPassed},
	{name: "temp noexec", files: map[string]string{"/proc/self/mountinfo": mountLine("/", "xfs", "rw", "rw") + mountLine("/tmp", "tmpfs", "rw,noexec", "rw")}, check: "temp-directory", status: StatusFailed},
	{name: "low disk", options: func(o *Options) { o.Space.Bundle = 20e9 }, check: "disk-space", status: StatusFailed, measured: "90 GB of 100 GB"},
	{name: "previous runtime", options: func(o *Options) { o.Space.Previous = 80e9 }, check: "disk-space", status: StatusFailed},
	{name: "no inodes", machine: func(m *Machine) {
		m.Statfs = func(string) (Statfs, error) {
			return Statfs{Size: 100e9, Available: 90e9, Inodes: 6e6, FreeInodes: 5e5}, nil
		}
	}, check: "disk-inodes", status: StatusFailed, measured: "500000 of 6000000"},
	{name: "volume too small", options: requires(manifest.Requirements{Volumes: []manifest.Volume{{Path: "/data", CreateIfMissing: true, Capacity: 200e9}}}), check: "volumes", status: StatusFailed, measured: "/data has 100 GB of ext4 and needs 200 GB"},
	{name: "volume of another type", options: requires(manifest.Requirements{Volumes: []manifest.Volume{{Path: "/data", CreateIfMissing: true, Filesystems: []string{"xfs", "btrfs"}}}}), check: "volumes", status: StatusFailed, measured: "xfs or btrfs"},
	{name: "volume missing", options: requires(manifest.Requirements{Volumes: []manifest.Volume{{Path: "/data"}}}), check: "volumes", status: StatusFailed},
	{name: "volume left out", options: requires(manifest.Requirements{Volumes: []manifest.Volume{{Path: "/data", SkipIfMissing: true}}}), check: "volumes", status: StatusPassed},
	{name: "volume that is a file", options: requires(manifest.Requirements{Volumes: []manifest.Volume{{Path: "/etc/os-release"}}}), check: "volumes", status: StatusFailed},
	{name: "device missing", options: requires(manifest.Requirements{Devices: []manifest.Device{{Path: "/dev/nvidia*"}}}), check: "devices", status: StatusFailed},
	{name: "device that is a file", options: requires(manifest.Requirements{Devices: []manifest.Device{{Path: "/etc/os-*"}}}), check: "devices", status: StatusFailed, measured: "no device"},
}

// modprobe makes modprobe print something.
func modprobe(output string) func(*Machine) {
	return func(m *Machine) {
		m.Output = func(_ context.Context, name string, _ ...string) (string, error) {
			if name != "modprobe" {
				return "", exec.ErrNotFound
			}
			return output + "\n", nil
		}
	}
}

func versionOne(options string, controllers ...string) string {
	text := mountLine("/", "ext4", "rw", "rw") + mountLine("/sys/fs/cgroup/unified", "cgroup2", "rw", "rw")
	for _, controller := range controllers {
		text += mountLine("/sys/fs/cgroup/"+controller, "cgroup", options, "rw,"+controller)
	}
	return text
}

func TestRules(t *testing.T) {
	for _, test := range rules {
		t.Run(test.check+"/"+test.name, func(t *testing.T) {
			machine := newMachine(t, test.files)
			if test.machine != nil {
				test.machine(machine)
			}
			options := Options{Machine: machine, Skip: []string{"disk-latency"}}
			if test.options != nil {
				test.options(&options)
			}
			got := results(t, options)[test.check]
			if got.Status != test.status || !strings.Contains(got.Measured, test.measured) {
				t.Errorf("%+v, want %s with %q", got, test.status, test.measured)
			}
			if (got.Remedy != "") != (test.status != StatusPassed) {
				t.Errorf("%s with the remedy %q", got.Status, got.Remedy)
			}
			if text := got.Measured + got.Wanted + got.Remedy; strings.ContainsAny(text, "\n\r") {
				t.Errorf("more than a line: %q", text)
			}
		})
	}
}

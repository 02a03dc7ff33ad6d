package preflight

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// healthy are the files of a machine that passes.
var healthy = map[string]string{
	"/etc/os-release":      "NAME=\"Debian GNU/Linux\"\nID=debian\nVERSION_ID=\"12\"\n",
	"/etc/resolv.conf":     "",
	"/proc/1/comm":         "systemd\n",
	"/proc/40/comm":        "sshd\n",
	"/proc/cpuinfo":        "processor\t: 0\nvendor_id\t: GenuineIntel\n\nprocessor\t: 1\nvendor_id\t: GenuineIntel\n\n",
	"/proc/meminfo":        "MemTotal:        2014000 kB\nMemFree:         1000000 kB\n",
	"/proc/swaps":          "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n",
	"/proc/filesystems":    "nodev\tsysfs\nnodev\toverlay\n\text4\n",
	"/proc/modules":        "br_netfilter 32768 0 - Live 0x0\nvxlan 155648 0 - Live 0x0\nnf_tables 400000 0 - Live 0x0\n",
	"/boot/config-6.1.0-1": "CONFIG_BRIDGE=y\nCONFIG_VETH=y\nCONFIG_NF_CONNTRACK=y\nCONFIG_NF_NAT=y\nCONFIG_NFT_CT=y\nCONFIG_NFT_NAT=m\nCONFIG_NFT_MASQ=y\nCONFIG_NFT_NUMGEN=y\nCONFIG_NFT_FIB_IPV4=y\n",
	"/lib/modules/6.1.0-1/modules.builtin": "kernel/net/netfilter/nft_compat.ko\n" +
		"kernel/net/netfilter/xt_MASQUERADE.ko\nkernel/net/netfilter/nft-nat.ko\n",
	"/proc/sys/net/ipv4/ip_forward":                "0\n",
	"/proc/sys/net/bridge/bridge-nf-call-iptables": "1\n",
	"/proc/sys/fs/inotify/max_user_watches":        "8192\n",
	"/proc/sys/fs/inotify/max_user_instances":      "128\n",
	"/sys/fs/cgroup/cgroup.controllers":            "cpuset cpu io memory hugetlb pids\n",
	"/proc/self/mountinfo": mountLine("/", "ext4", "rw,relatime", "rw") +
		mountLine("/sys/fs/cgroup", "cgroup2", "rw,nosuid", "rw") + mountLine("/var/lib/gravity", "xfs", "rw", "rw"),
	"/proc/net/tcp":          socketHeader + socketLine("00000000:0016", "0A", 500) + socketLine("0100007F:AC1C", "01", 501),
	"/proc/net/udp":          socketHeader,
	"/tmp/.keep":             "",
	"/var/lib/gravity/.keep": "",
}

func mountLine(point, kind, options, super string) string {
	return "30 1 8:1 / " + point + " " + options + " shared:1 - " + kind + " /dev/sda1 " + super + "\n"
}

const socketHeader = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"

func socketLine(local, state string, inode int) string {
	return "   0: " + local + " 00000000:0000 " + state + " 00000000:00000000 00:00000000 00000000     0        0 " +
		itoa(inode) + " 1 0000000000000000 100 0 0 10 0\n"
}

func itoa(n int) string {
	return string(rune('0'+n/100%10)) + string(rune('0'+n/10%10)) + string(rune('0'+n%10))
}

// newMachine is a machine with the files of healthy, where changes replace
// files; an empty text removes one.
func newMachine(t *testing.T, changes map[string]string) *Machine {
	t.Helper()
	root := t.TempDir()
	write := func(name, content string) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range healthy {
		write(name, content)
	}
	for name, content := range changes {
		if content == "" {
			if err := os.Remove(filepath.Join(root, name)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		write(name, content)
	}
	if err := os.MkdirAll(filepath.Join(root, "proc/40/fd"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("socket:[500]", filepath.Join(root, "proc/40/fd/3")); err != nil {
		t.Fatal(err)
	}
	return &Machine{
		Root: root, Hostname: "node-1", Kernel: "6.1.0-1", Architecture: "amd64",
		Links: func() ([]Link, error) {
			return []Link{
				{Name: "lo", Loopback: true, Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}},
				{Name: "eth0", Addresses: []netip.Prefix{netip.MustParsePrefix("192.168.7.5/24")}},
			}, nil
		},
		Routes: func() ([]Route, error) {
			return []Route{
				{To: netip.MustParsePrefix("0.0.0.0/0"), Link: "eth0"},
				{To: netip.MustParsePrefix("192.168.7.0/24"), Link: "eth0"},
			}, nil
		},
		Statfs: func(string) (Statfs, error) {
			return Statfs{Size: 100e9, Available: 90e9, Inodes: 6e6, FreeInodes: 5e6}, nil
		},
		ClockSynchronised: func() (bool, error) { return true, nil },
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("192.168.7.5")}, nil
		},
		Output: func(_ context.Context, name string, _ ...string) (string, error) {
			if name == "systemctl" {
				return "systemd 252 (252.39-1~deb12u1)\n+PAM +AUDIT\n", nil
			}
			return "", exec.ErrNotFound
		},
	}
}

// results runs checks and returns what they found by their names.
func results(t *testing.T, options Options) map[string]Result {
	t.Helper()
	options.Architecture = "amd64"
	checks, err := Checks(options)
	if err != nil {
		t.Fatal(err)
	}
	list, err := Run(t.Context(), checks)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]Result{}
	for i, result := range list {
		if result.Name != checks[i].Name || result.Measured == "" {
			t.Errorf("check %d, %s, has the result %+v", i, checks[i].Name, result)
		}
		found[result.Name] = result
	}
	return found
}

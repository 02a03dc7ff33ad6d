package preflight

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzFiles reads every file that a machine may have as anything: no check may
// panic, and each must have a result in a line.
func FuzzFiles(f *testing.F) {
	f.Add("ID=\"\nVERSION_ID='1'\n=\n", "nameserver fe80::1%eth0\nnameserver\n", "30 1 8:1 / / rw - ext4 /dev/sda1 rw\n")
	f.Add("ID='", "nameserver 127.0.0.53\n", "1 1\n")
	f.Fuzz(func(t *testing.T, release, resolv, mounts string) {
		root := t.TempDir()
		for name, content := range map[string]string{"etc/os-release": release, "etc/resolv.conf": resolv, "proc/self/mountinfo": mounts} {
			path := filepath.Join(root, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		machine := &Machine{Root: root}
		options := &Options{Machine: machine}
		if found, err := options.checkOperatingSystem(t.Context()); err == nil && found.remedy != "" {
			t.Errorf("any system will do, but: %+v", found)
		}
		servers, err := machine.nameServers()
		if err != nil || len(servers) > maxNameServers {
			t.Errorf("name servers %v, %v", servers, err)
		}
		if mount, err := machine.mountOf("/var/lib"); err == nil && !below("/var/lib", mount.Mountpoint) {
			t.Errorf("/var/lib is on %s", mount.Mountpoint)
		}
		_, _ = machine.cgroups()
	})
}

func FuzzSettings(f *testing.F) {
	f.Add("net.ipv4.ip_forward = 0\n-net/ipv4/conf/eth0.1/rp_filter=1\n; x\n=\n")
	f.Fuzz(func(t *testing.T, content string) {
		for name := range parseSysctl(content) {
			if strings.Contains(name, "\n") {
				t.Errorf("the name %q has lines", name)
			}
		}
		_ = assignments(content)
	})
}

func FuzzKernel(f *testing.F) {
	f.Add("5.13.0-rc1", "CONFIG_VXLAN=y\nCONFIG_X=m\n# CONFIG_Y is not set\n=y")
	f.Fuzz(func(t *testing.T, release, config string) {
		if major, minor, err := kernelVersion(release); err == nil && (major < 0 || minor < 0) {
			t.Errorf("version %d.%d", major, minor)
		}
		_, _ = parseKernelOptions(strings.NewReader(config))
	})
}

func FuzzModules(f *testing.F) {
	f.Add("vxlan 1 0\nx", "kernel/a-b.ko.zst\n/\n", "nodev\n\text4\n")
	f.Fuzz(func(t *testing.T, loaded, builtin, filesystems string) {
		root := t.TempDir()
		for name, content := range map[string]string{"proc/modules": loaded, "lib/modules/1/modules.builtin": builtin, "proc/filesystems": filesystems} {
			path := filepath.Join(root, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := (&Machine{Root: root, Kernel: "1"}).kernelFeatures(); err != nil {
			t.Error(err)
		}
	})
}

func FuzzEntryTypes(f *testing.F) {
	f.Add([]byte("12345678abcdefgh\x18\x00\x04.\x00\x00\x00\x00"))
	f.Add([]byte("12345678abcdefgh\x00\x00\x04"))
	f.Fuzz(func(t *testing.T, entries []byte) {
		if known, err := parseEntryTypes(entries); known && (err != nil || len(entries) == 0) {
			t.Errorf("known %t, %v", known, err)
		}
	})
}

// FuzzTable reads a table of sockets.
func FuzzTable(f *testing.F) {
	f.Add(socketHeader + socketLine("00000000:1388", "0A", 500))
	f.Add(socketHeader + "x")
	f.Fuzz(func(t *testing.T, table string) {
		root := t.TempDir()
		if err := os.MkdirAll(filepath.Join(root, "proc/net"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, "proc/net/tcp"), []byte(table), 0o600); err != nil {
			t.Fatal(err)
		}
		sockets, err := (&Machine{Root: root}).listeners()
		for _, each := range sockets {
			if err == nil && (each.port < 0 || each.port > 1<<16) {
				t.Errorf("socket %+v", each)
			}
		}
	})
}

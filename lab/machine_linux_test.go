package lab_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

func trim(text string) string { return strings.TrimSpace(text) }

func TestMachineIsAServer(t *testing.T) {
	l := sharedMachines(t)
	one := l.Machine("one")

	t.Run("systemd is up", func(t *testing.T) {
		result, err := one.Run(t.Context(), lab.Command{Args: []string{"systemctl", "is-system-running", "--wait"}})
		if got := trim(result.Stdout); got != "running" {
			t.Errorf("the system is %q, not running: %v; failed: %s", got, err, shell(t, one, "systemctl --failed"))
		}
	})
	t.Run("host name", func(t *testing.T) {
		if got := output(t, one, "hostname"); got != "one" {
			t.Errorf("hostname = %q", got)
		}
		if got := output(t, one, "cat", "/etc/hostname"); got != "one" {
			t.Errorf("/etc/hostname = %q", got)
		}
	})
	t.Run("identities differ", func(t *testing.T) {
		for _, file := range []string{"/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key.pub", "/proc/sys/kernel/random/boot_id"} {
			if output(t, one, "cat", file) == output(t, l.Machine("two"), "cat", file) {
				t.Errorf("both machines have the same %s", file)
			}
		}
	})
	t.Run("disk", func(t *testing.T) {
		status, err := one.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if status.Disk.Kind != "image" {
			t.Skipf("this host gives a %s instead of a disk", status.Disk.Kind)
		}
		// df of another machine must not change with this one.
		shell(t, one, "head -c 8M /dev/urandom > /root/ballast; sync")
		sizes := strings.FieldsSeq(shell(t, one, "df --output=size -B1M / /var/lib/gravity | tail -n +2"))
		for size := range sizes {
			if size < "19000" || len(size) != 5 {
				t.Errorf("a file system of the 20 GiB disk has %s MiB", size)
			}
		}
		used := func(m *lab.Machine) string { return shell(t, m, "df --output=used -B1M / | tail -n 1") }
		if used(one) == used(l.Machine("two")) {
			t.Error("the machines share a disk")
		}
		shell(t, one, "rm /root/ballast")
	})
	t.Run("nothing of Kubernetes", func(t *testing.T) {
		shell(t, one, "not command -v kubelet containerd runc docker python3")
	})
}

func TestMachineNetwork(t *testing.T) {
	l := sharedMachines(t)
	one, two := l.Machine("one"), l.Machine("two")

	shell(t, one, "ping -c 1 -W 5 two")
	shell(t, two, "ping -c 1 -W 5 one")
	status, err := two.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := shell(t, one, "getent hosts two | cut -d ' ' -f 1"); got != status.Address.String() {
		t.Errorf("two resolves to %q, not %s", got, status.Address)
	}
	if got := shell(t, one, "ls /sys/class/net | xargs"); got != "eth0 lo" {
		t.Errorf("the machine sees the interfaces %q", got)
	}

	start := time.Now()
	for _, script := range []string{
		"not curl -sS --max-time 20 http://192.0.2.1/", // an address of documentation, so of nobody
		"not curl -sS --max-time 20 http://8.8.8.8/",
		"not getent hosts example.com",
		"not ping -c 1 -W 20 8.8.8.8",
	} {
		shell(t, one, script)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("the way out is refused only after %s", took)
	}
}

func TestMachineSSH(t *testing.T) {
	l := sharedMachines(t)
	one := l.Machine("one")
	result, err := one.SSH(t.Context(), lab.Command{Args: []string{"printf", "%s|", "a b", "c'd", "$HOME", ""}})
	if err != nil {
		t.Fatal(err)
	}
	if want := "a b|c'd|$HOME||"; result.Stdout != want {
		t.Errorf("arguments arrive as %q, not %q", result.Stdout, want)
	}
	result, err = one.SSH(t.Context(), lab.Command{Args: []string{"sudo", "--non-interactive", "id", "-un"}, User: "admin"})
	if err != nil || trim(result.Stdout) != "root" {
		t.Errorf("admin becomes %q by sudo: %v", result.Stdout, err)
	}
	_, err = one.SSH(t.Context(), lab.Command{Args: []string{"sh", "-c", "echo no >&2; exit 9"}})
	if failed := wantExit(t, err, 9); failed.Tail != "no" {
		t.Errorf("tail = %q", failed.Tail)
	}

	t.Run("a wrong host key is refused", func(t *testing.T) {
		status, err := l.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		known, err := os.ReadFile(status.KnownHostsFile)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(trim(string(known)), "\n")
		if len(lines) < 2 {
			t.Fatalf("known_hosts:\n%s", known)
		}
		forged := status.Machines[0]
		forged.KnownHostsFile = filepath.Join(t.TempDir(), "known_hosts")
		line := forged.Address.String() + " " + strings.SplitN(lines[1], " ", 2)[1] + "\n"
		if err := os.WriteFile(forged.KnownHostsFile, []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
		if said := sshOutput(t, forged); !strings.Contains(said, "verification failed") {
			t.Errorf("ssh says %q", said)
		}
	})
	t.Run("keys are private", func(t *testing.T) {
		status, err := one.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(status.KeyFile)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("the key file has mode %v", info.Mode())
		}
	})
}

// TestMachineNests checks what the master container and kubelet need.
func TestMachineNests(t *testing.T) {
	l := sharedMachines(t)
	one := l.Machine("one")
	for name, script := range map[string]string{
		"cgroups": `
			for c in /sys/fs/cgroup/*/; do
				if [ -e "$c/cgroup.procs" ]; then mkdir "$c/lab-test"; rmdir "$c/lab-test"; fi
			done`,
		"overlay": `
			cd /var/lib/gravity; mkdir -p t/a t/b t/c t/d; touch t/a/file
			unshare --mount sh -euc 'mount -t overlay o -o lowerdir=t/a,upperdir=t/b,workdir=t/c t/d; test -e t/d/file; echo > t/d/new'
			test -e t/b/new; rm -r t`,
		"namespaces": `unshare --pid --fork --mount-proc --uts --ipc --net true`,
		"vxlan":      `ip link add lab-test type vxlan id 7 dstport 8472 dev eth0; ip link del lab-test`,
		"bridge":     `ip link add lab-test type bridge; ip link del lab-test`,
		"nftables":   `nft add table inet lab-test; nft list table inet lab-test; nft delete table inet lab-test`,
		"forwarding": `echo 1 > /proc/sys/net/ipv4/ip_forward`,
		"devices":    `for d in fuse kmsg net/tun; do if [ -e /run/host-dev ]; then test -c /dev/$d; fi; done`,
		"shared":     `findmnt -no PROPAGATION / | grep -q shared; findmnt -no PROPAGATION /var/lib/gravity | grep -q shared`,
	} {
		t.Run(name, func(t *testing.T) { shell(t, one, script) })
	}
	t.Run("own cgroups", func(t *testing.T) {
		shell(t, one, "for c in memory cpu; do if [ -d /sys/fs/cgroup/$c ]; then mkdir /sys/fs/cgroup/$c/lab-own; fi; done")
		shell(t, l.Machine("two"), "not ls -d /sys/fs/cgroup/*/lab-own")
		shell(t, one, "for c in memory cpu; do if [ -d /sys/fs/cgroup/$c ]; then rmdir /sys/fs/cgroup/$c/lab-own; fi; done")
	})
}

func TestRun(t *testing.T) {
	l := sharedMachines(t)
	one := l.Machine("one")

	result, err := one.Run(t.Context(), lab.Command{
		Args: []string{"sh", "-c", `cat; echo "$WORD $USER $PWD"; echo oops >&2`}, Env: []string{"WORD=hello"},
		Stdin: strings.NewReader("input "), User: "admin",
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := "input hello admin /home/admin\n"; result.Stdout != want || result.Stderr != "oops\n" {
		t.Errorf("got %q and %q, want %q", result.Stdout, result.Stderr, want)
	}

	for name, test := range map[string]struct {
		args []string
		code int
		tail string
	}{
		"exit code":     {[]string{"sh", "-c", "echo one; echo two >&2; exit 3"}, 3, "two"},
		"stdout's tail": {[]string{"sh", "-c", "seq 9; exit 1"}, 1, "5; 6; 7; 8; 9"},
		"not found":     {[]string{"no-such-program"}, 127, "sh: 1: exec: no-such-program: not found"},
		"signal":        {[]string{"sh", "-c", "kill -KILL $$"}, 137, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := one.Run(t.Context(), lab.Command{Args: test.args})
			if failed := wantExit(t, err, test.code); failed.Tail != test.tail {
				t.Errorf("tail = %q, want %q", failed.Tail, test.tail)
			}
		})
	}

	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := contextWithTimeout(t, 300*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := one.Run(ctx, lab.Command{Args: []string{"sleep", "4711"}})
		if err == nil || time.Since(start) > 10*time.Second {
			t.Errorf("ended after %s with %v", time.Since(start), err)
		}
		shell(t, one, "not pgrep -x sleep")
	})
	t.Run("no machine", func(t *testing.T) {
		_, err := l.Machine("nine").Run(t.Context(), lab.Command{Args: []string{"true"}})
		if err == nil || !strings.Contains(err.Error(), `no machine named "nine"`) {
			t.Errorf("err = %v", err)
		}
	})
}

func wantExit(t *testing.T, err error, code int) *lab.CommandError {
	t.Helper()
	failed, ok := errors.AsType[*lab.CommandError](err)
	if !ok {
		t.Fatalf("err = %v, want a CommandError", err)
	}
	if failed.ExitCode != code {
		t.Errorf("exit code = %d, want %d: %v", failed.ExitCode, code, err)
	}
	return failed
}

func TestCopy(t *testing.T) {
	l := sharedMachines(t)
	one := l.Machine("one")
	content := make([]byte, 32<<20)
	_, _ = rand.Read(content)
	// /var/run is an absolute link, which must lead below the machine's root.
	shell(t, one, "mkdir -p /root/real; ln -sfn /root/real /root/link")
	if err := one.CopyTo(t.Context(), bytes.NewReader(content), "/root/link/new/deep/file", 0o750); err != nil {
		t.Fatal(err)
	}
	if got := shell(t, one, "stat -c '%a %s %U' /root/real/new/deep/file"); got != "750 33554432 root" {
		t.Errorf("the file is %q", got)
	}
	if got := shell(t, one, "ls -A /root/real/new/deep"); got != "file" {
		t.Errorf("the directory has %q", got)
	}
	file, err := one.Open(t.Context(), "/root/link/new/deep/file")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(hash.Sum(nil), sum(content)) {
		t.Error("the content comes back changed")
	}
	local := filepath.Join(t.TempDir(), "local")
	if err := os.WriteFile(local, []byte("#!/bin/sh\necho ran\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := one.CopyFileTo(t.Context(), local, "/usr/local/bin/ran", 0o755); err != nil {
		t.Fatal(err)
	}
	if got := output(t, one, "ran"); got != "ran" {
		t.Errorf("the copied program says %q", got)
	}
	if _, err := one.Open(t.Context(), "/nowhere"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("opening nothing: %v", err)
	}
	shell(t, one, "rm -r /root/real /root/link /usr/local/bin/ran")
}

func sum(content []byte) []byte {
	sum := sha256.Sum256(content)
	return sum[:]
}

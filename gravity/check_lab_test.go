package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

// demanding is an application whose profiles want what a machine of the lab does
// not have, and what it has.
const demanding = `apiVersion: bundle.gravitational.io/v2
kind: Bundle
metadata: {name: shop, resourceVersion: 1.0.0}
installer: {flavors: {items: [{name: one, nodes: [{profile: modest, count: 1}]}]}}
nodeProfiles:
- name: modest
  requirements:
    cpu: {min: 1}
    ram: {min: 1GB}
    os: [{name: rhel, versions: ["9"]}, {name: debian, versions: ["12"]}]
    volumes:
    - {path: /var/lib/gravity, capacity: 10GB, filesystems: [ext4], minTransferRate: 1MB/s}
    - {path: /var/lib/missing, createIfMissing: false, skipIfMissing: true}
    network: {ports: [{ranges: ["8080", "10000-10005"]}]}
    devices: [{path: "/dev/nul*"}]
    customChecks:
    - {description: the root is there, script: "test -d / && cat"}
- name: greedy
  requirements:
    cpu: {min: 4096}
    ram: {min: 4PB}
    os: [{name: rhel, versions: ["9"]}]
    volumes:
    - {path: /var/lib/gravity, capacity: 1PB, minTransferRate: 1PB/s}
    - {path: /var/lib/missing, createIfMissing: false}
    network: {ports: [{ranges: ["20-24"]}]}
    devices: [{path: "/dev/nvidia*"}]
    customChecks:
    - {description: the licence server answers, script: file://licence.sh}
`

// checkOn runs gravity check in the machine and returns what it found, by the
// names of the checks, and its exit code.
func checkOn(t *testing.T, machine *lab.Machine, args ...string) (map[string]report.Check, int) {
	t.Helper()
	result, err := machine.Run(t.Context(), lab.Command{Args: append([]string{"/root/gravity", "check", "-o", "json"}, args...)})
	code := 0
	if failed, ok := errors.AsType[*lab.CommandError](err); ok {
		code = failed.ExitCode
	} else if err != nil {
		t.Fatal(err)
	}
	var found report.Preflight
	if err := json.Unmarshal([]byte(result.Stdout), &found); err != nil {
		t.Fatalf("%v; it printed %q and %q", err, result.Stdout, result.Stderr)
	}
	if found.Passed != (code == 0) {
		t.Errorf("passed is %t, and the exit code %d", found.Passed, code)
	}
	checks := map[string]report.Check{}
	for _, check := range found.Checks {
		checks[check.Name] = check
	}
	return checks, code
}

// testWireGuard wants an encrypted network to be refused where the kernel has none.
func testWireGuard(t *testing.T, machine *lab.Machine) {
	checks, code := checkOn(t, machine, "/root/wireguard.yaml", "--profile=modest")
	got := checks["wireguard-module"]
	// Machines have the host's kernel.
	_, loaded := os.Stat("/sys/module/wireguard")
	if has := loaded == nil || exec.CommandContext(t.Context(), "modprobe", "--dry-run", "wireguard").Run() == nil; has {
		if got.Status != "passed" || code != 0 {
			t.Errorf("the kernel has wireguard: %+v, exit code %d", got, code)
		}
		return
	}
	if got.Status != "failed" || got.Measured != "not available: wireguard" || !strings.Contains(got.Remedy, "modprobe --all wireguard") || code != 1 {
		t.Errorf("the kernel has no wireguard: %+v, exit code %d", got, code)
	}
}

// sh runs a script in the machine.
func sh(t *testing.T, machine *lab.Machine, script string) {
	t.Helper()
	// Also after the test, when what it broke is mended.
	if _, err := machine.Run(context.WithoutCancel(t.Context()), lab.Command{Args: []string{"sh", "-euc", script}}); err != nil {
		t.Fatal(err)
	}
}

func TestCheckOnMachine(t *testing.T) {
	if testing.Short() {
		t.Skip("boots a machine; run without -short")
	}
	if err := lab.Check(); err != nil {
		t.Skip(err)
	}
	program := filepath.Join(t.TempDir(), "gravity")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build gravity: %v\n%s", err, output)
	}
	made, err := lab.New(t.Context(), lab.Options{Name: fmt.Sprintf("check-%d", os.Getpid()), Machines: []string{"node-1"}, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := made.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	machine := made.Machine("node-1")
	if err := machine.CopyFileTo(t.Context(), program, "/root/gravity", 0o755); err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string]string{
		"/root/app.yaml":       demanding,
		"/root/wireguard.yaml": strings.Replace(demanding, "nodeProfiles:", "providers: {generic: {network: {type: wireguard}}}\nnodeProfiles:", 1),
		"/root/licence.sh":     "sleep 1000 &\necho first line\necho no route to the licence server >&2\nexit 7\n",
	} {
		if err := machine.CopyTo(t.Context(), strings.NewReader(content), path, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("fresh", func(t *testing.T) { testFresh(t, machine) })
	t.Run("wireguard", func(t *testing.T) { testWireGuard(t, machine) })
	t.Run("profile", func(t *testing.T) { testProfiles(t, machine) })
	for _, test := range breakages {
		t.Run(test.name, func(t *testing.T) {
			sh(t, machine, test.breaks)
			t.Cleanup(func() { sh(t, machine, test.mends) })
			checks, code := checkOn(t, machine, test.args...)
			got := checks[test.check]
			if got.Status != test.status || (code == 0) != (test.status == "warning") {
				t.Errorf("%s %s, exit code %d: %+v", test.check, got.Status, code, got)
			}
			if !strings.Contains(got.Measured, test.measured) || got.Remedy == "" {
				t.Errorf("measured %q, remedy %q", got.Measured, got.Remedy)
			}
			for name, check := range checks {
				if check.Status == "failed" && name != test.check && !slices.Contains(test.also, name) {
					t.Errorf("%s failed, too: %s", name, check.Measured)
				}
			}
		})
	}
}

// testFresh wants a machine of the lab to pass. Warnings may be about what is
// the host's: its clock, its cgroups, its disk.
func testFresh(t *testing.T, machine *lab.Machine) {
	checks, code := checkOn(t, machine)
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	for name, check := range checks {
		host := slices.Contains([]string{"clock", "cgroup-version", "disk-latency"}, name)
		if check.Status != "passed" && (check.Status != "warning" || !host) {
			t.Errorf("%s: %s: %s", name, check.Status, check.Measured)
		}
	}
	sh(t, machine, "test -z \"$(ls -A /tmp | grep gravity)\"; test -z \"$(ls -A /var/lib/gravity | grep -v lost+found)\"")
}

func testProfiles(t *testing.T, machine *lab.Machine) {
	if checks, code := checkOn(t, machine, "/root/app.yaml", "--profile=modest"); code != 0 {
		t.Errorf("the modest profile: exit code %d: %+v", code, checks)
	}
	checks, code := checkOn(t, machine, "/root/app.yaml", "--profile=greedy")
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
	for name, measured := range map[string]string{
		"cpu": " processor", "memory": "B", "operating-system": "debian 12",
		"volumes":       "/var/lib/missing is missing",
		"volume-speed":  "/var/lib/gravity writes ",
		"profile-ports": "22/tcp (the application) is used by sshd (pid ",
		"devices":       "/dev/nvidia* is missing",
		"custom-1":      "the licence server answers: exit status 7",
	} {
		if got := checks[name]; got.Status != "failed" || !strings.Contains(got.Measured, measured) || got.Remedy == "" {
			t.Errorf("%s: %+v, want a failure with %q", name, got, measured)
		}
	}
	if details := checks["custom-1"].Details; !slices.Equal(details, []string{"first line", "no route to the licence server"}) {
		t.Errorf("the script's last lines are %q", details)
	}
	sh(t, machine, "if pgrep sleep; then exit 1; fi") // what the script left ended with it
}

// breakages are what goes wrong with a machine, and the one check that says so.
var breakages = []struct {
	name, breaks, mends string
	args                []string
	check, status       string
	measured            string
	also                []string // checks that may fail, too
}{
	{
		name: "port taken", breaks: "/usr/sbin/sshd -p 5000 -o PidFile=/run/second.pid; while ! test -s /run/second.pid; do :; done",
		mends: "kill $(cat /run/second.pid)",
		check: "ports", status: "failed", measured: "5000/tcp (the registry) is used by sshd (pid ",
	},
	{
		name: "vxlan port taken by the kernel", breaks: "ip link add other0 type vxlan id 7 dstport 8472 dev eth0; ip link set other0 up",
		mends: "ip link delete other0",
		check: "ports", status: "failed", measured: "8472/udp (VXLAN) is used by no process here",
	},
	{
		name: "low disk", breaks: "fallocate -l 16G /var/lib/gravity/ballast", mends: "rm /var/lib/gravity/ballast",
		check: "disk-space", status: "failed", measured: " available for /var/lib/gravity",
	},
	{
		name: "state directory in memory", breaks: "mkdir -p /run/state", mends: "rmdir /run/state",
		args:  []string{"--state-dir=/run/state/not-yet"},
		check: "state-directory", status: "failed", measured: "is on tmpfs (/run): it is gone after a restart",
		also: []string{"disk-space", "disk-inodes"},
	},
	{
		name: "state directory on an overlay", breaks: "true", mends: "true", args: []string{"--state-dir=/opt/gravity"},
		check: "state-directory", status: "failed", measured: "is on overlay (/): overlays do not nest",
	},
	{
		name: "state directory that cannot run programs", breaks: "mount -o remount,bind,noexec /var/lib/gravity",
		mends: "mount -o remount,bind,exec /var/lib/gravity",
		check: "state-directory", status: "failed", measured: "with noexec",
	},
	{
		name: "host name", breaks: "hostname localhost", mends: "hostname node-1",
		check: "hostname", status: "failed", measured: "localhost",
	},
	{
		name: "networks that overlap", breaks: "ip route add 10.244.7.0/24 dev eth0", mends: "ip route delete 10.244.7.0/24 dev eth0",
		check: "network-overlap", status: "failed", measured: "the pod network 10.244.0.0/16 overlaps the route to 10.244.7.0/24 on eth0",
	},
	{
		name: "pods and services overlap", breaks: "true", mends: "true", args: []string{"--service-cidr=10.244.128.0/17"},
		check: "network-overlap", status: "failed", measured: "the pod network 10.244.0.0/16 and the service network 10.244.128.0/17 overlap",
	},
	{
		name: "address of another machine", breaks: "true", mends: "true", args: []string{"--advertise-addr=192.0.2.7"},
		check: "advertise-address", status: "failed", measured: "no interface has 192.0.2.7",
	},
	{
		name: "leftovers", breaks: "mkdir -p /etc/kubernetes; touch /etc/kubernetes/admin.conf", mends: "rm -r /etc/kubernetes",
		check: "kubernetes-leftovers", status: "failed", measured: "left: /etc/kubernetes/admin.conf",
	},
	{
		name: "interface of another network", breaks: "ip link add cni0 type bridge", mends: "ip link delete cni0",
		check: "network-leftovers", status: "failed", measured: "left: cni0",
	},
	{
		name:   "another kubelet",
		breaks: "cp /usr/bin/sleep /tmp/kubelet; /tmp/kubelet 1000 </dev/null >/dev/null 2>&1 & until pgrep -x kubelet; do :; done",
		mends:  "pkill -x kubelet; rm /tmp/kubelet",
		check:  "conflicting-processes", status: "failed", measured: "running: kubelet (pid ",
	},
	{
		name: "sysctl", breaks: "echo 'net.ipv4.ip_forward=0' > /etc/sysctl.d/99-hardening.conf", mends: "rm /etc/sysctl.d/99-hardening.conf",
		check: "sysctl-forwarding", status: "warning", measured: "/etc/sysctl.d/99-hardening.conf sets net.ipv4.ip_forward = 0",
	},
	{
		// Packets for this address vanish without a word.
		name: "resolver that never answers",
		breaks: `cp /etc/resolv.conf /root/resolv.conf; echo nameserver 127.0.0.9 > /etc/resolv.conf
nft 'add table inet silent; add chain inet silent in { type filter hook input priority 0; }; add rule inet silent in ip daddr 127.0.0.9 drop'`,
		mends: "nft delete table inet silent; cat /root/resolv.conf > /etc/resolv.conf",
		check: "resolver", status: "warning", measured: "127.0.0.9 says nothing for 2",
	},
	{
		name: "a check that is skipped", breaks: "hostname localhost", mends: "hostname node-1", args: []string{"--skip-check=hostname", "--advertise-addr=192.0.2.7"},
		check: "advertise-address", status: "failed", measured: "192.0.2.7",
	},
}

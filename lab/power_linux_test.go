package lab_test

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

func contextWithTimeout(t *testing.T, timeout time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), timeout)
}

// sshOutput tries to log in and returns all that the client says.
func sshOutput(t *testing.T, machine lab.MachineStatus) string {
	t.Helper()
	arguments := append(lab.SSHArguments(machine, "root"), "-o", "BatchMode=yes", "--", machine.Address.String(), "true")
	said, _ := exec.CommandContext(t.Context(), "ssh", arguments...).CombinedOutput()
	return string(said)
}

// addMachine adds a machine to the shared lab, for tests that break it.
func addMachine(t *testing.T, name string) *lab.Machine {
	t.Helper()
	added, err := sharedMachines(t).Add(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if len(added) != 1 || added[0].Name() != name {
		t.Fatalf("added %v", added)
	}
	return added[0]
}

func TestAdd(t *testing.T) {
	three := addMachine(t, "three")
	l := sharedMachines(t)
	shell(t, three, "ping -c 1 -W 5 one")
	shell(t, l.Machine("one"), "ping -c 1 -W 5 three")
	if _, err := three.SSH(t.Context(), lab.Command{Args: []string{"true"}}); err != nil {
		t.Error(err)
	}
	if _, err := l.Add(t.Context(), "three"); err == nil || !strings.Contains(err.Error(), "already has a machine") {
		t.Errorf("a second three: %v", err)
	}
	if _, err := l.Add(t.Context(), "Bad_Name"); err == nil {
		t.Error("a bad name is accepted")
	}
	shell(t, l.Machine("one"), "test $(grep -c three /etc/hosts) = 1")
}

func TestKillLosesNothing(t *testing.T) {
	m := addMachine(t, "killed")
	shell(t, m, `
		echo root > /root/data; echo gravity > /var/lib/gravity/data; echo 10.9.9.9 service >> /etc/hosts
		ip link add flannel.1 type vxlan id 1 dstport 8472 dev eth0; nft add table inet left
		systemd-run --unit=busy sleep 4712`)
	before := bootID(t, m)
	if err := m.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantState(t, m, lab.StateOff)
	if _, err := m.Run(t.Context(), lab.Command{Args: []string{"true"}}); err == nil || !strings.Contains(err.Error(), "is off") {
		t.Errorf("running in a dead machine: %v", err)
	}
	if said := processesOf("sleep 4712"); said != "" {
		t.Errorf("a process of the machine lives on: %s", said)
	}
	if err := m.Kill(t.Context()); err != nil {
		t.Errorf("killing the dead: %v", err)
	}
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantState(t, m, lab.StateRunning)
	if bootID(t, m) == before {
		t.Error("the boot id is the same")
	}
	shell(t, m, `
		test "$(cat /root/data)" = root; test "$(cat /var/lib/gravity/data)" = gravity
		getent hosts service one; not ip link show flannel.1 2>/dev/null; not nft list table inet left 2>/dev/null
		not systemctl is-active busy; ping -c 1 -W 5 one`)
	if err := m.Start(t.Context()); err != nil {
		t.Errorf("starting the running: %v", err)
	}
}

func TestStopIsOrderly(t *testing.T) {
	m := addMachine(t, "stopped")
	shell(t, m, `
		printf '[Service]\nExecStart=/bin/sleep infinity\nExecStop=/bin/touch /root/goodbye\n' > /etc/systemd/system/polite.service
		systemctl start polite`)
	if err := m.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantState(t, m, lab.StateOff)
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	shell(t, m, "test -e /root/goodbye")

	// The same from within. Looking at the state of the lab does not hold the
	// machine up, as programs from outside do.
	before, err := m.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = m.Run(t.Context(), lab.Command{Args: []string{"systemctl", "reboot"}})
	waitFor(t, "the machine has rebooted", func() bool {
		status, err := m.Status(t.Context())
		return err == nil && status.State == lab.StateRunning && status.PID != before.PID
	})
	if err := m.WaitReady(t.Context()); err != nil {
		t.Error(err)
	}
	_, _ = m.Run(t.Context(), lab.Command{Args: []string{"systemctl", "poweroff"}})
	waitFor(t, "the machine is off", func() bool {
		status, err := m.Status(t.Context())
		return err == nil && status.State == lab.StateOff && status.Note != ""
	})
}

func TestCutAndHeal(t *testing.T) {
	m := addMachine(t, "cut")
	one := sharedMachines(t).Machine("one")
	ping := func() bool {
		_, err := one.Run(t.Context(), lab.Command{Args: []string{"ping", "-c", "1", "-W", "1", "cut"}})
		return err == nil
	}
	if !ping() {
		t.Fatal("not connected at first")
	}
	if err := m.Cut(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ping() {
		t.Error("connected though cut off")
	}
	if got := output(t, m, "cat", "/sys/class/net/eth0/carrier"); got != "1" {
		t.Errorf("carrier = %s: the machine notices the cut", got)
	}
	if err := m.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ping() {
		t.Error("connected by a restart")
	}
	if status, err := m.Status(t.Context()); err != nil || status.Connected {
		t.Errorf("status says connected: %v", err)
	}
	if err := m.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !ping() {
		t.Error("not connected after heal")
	}
}

func bootID(t *testing.T, m *lab.Machine) string {
	t.Helper()
	return output(t, m, "cat", "/proc/sys/kernel/random/boot_id")
}

func wantState(t *testing.T, m *lab.Machine, want any) {
	t.Helper()
	status, err := m.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if status.State != want {
		t.Errorf("machine %s is %s, not %s", m.Name(), status.State, want)
	}
}

// waitFor waits for something that the kernel or a machine does in a moment.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := contextWithTimeout(t, 20*time.Second)
	defer cancel()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatalf("it does not become true that %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

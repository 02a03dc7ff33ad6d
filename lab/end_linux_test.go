package lab_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

// ownerVariable makes the test binary a program that owns a lab in the
// directory that it names.
const ownerVariable = "LAB_TEST_OWNER"

// ownIfAsked makes a lab, prints its state and waits to be killed.
func ownIfAsked() {
	dir := os.Getenv(ownerVariable)
	if dir == "" {
		return
	}
	ctx := context.Background()
	l, err := lab.New(ctx, lab.Options{Name: os.Args[1], Count: 2, Dir: dir, Log: os.Stderr})
	if err != nil {
		os.Exit(1)
	}
	status, err := l.Status(ctx)
	if err != nil {
		os.Exit(1)
	}
	_ = json.NewEncoder(os.Stdout).Encode(status)
	select {}
}

// startOwner starts another process that makes a lab.
func startOwner(t *testing.T, dir, name string) (*exec.Cmd, io.Reader, io.Reader) {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	owner := exec.CommandContext(t.Context(), executable, name)
	owner.Env = append(os.Environ(), ownerVariable+"="+dir)
	stdout, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := owner.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	return owner, stdout, stderr
}

func TestCloseLeavesNothing(t *testing.T) {
	needMachines(t)
	dir := filepath.Join(t.TempDir(), "labs")
	l := newLab(t, lab.Options{Name: testName("close"), Count: 1, Dir: dir})
	trace := traceOf(t, l)
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	trace.goneCompletely(t)
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory of labs is left: %v", err)
	}
	if err := l.Close(t.Context()); err != nil {
		t.Errorf("closing again: %v", err)
	}
	if _, err := l.Status(t.Context()); !errors.Is(err, lab.ErrNotExist) {
		t.Errorf("status of a closed lab: %v", err)
	}
}

func TestKilledOwnerLeavesNothing(t *testing.T) {
	needMachines(t)
	dir := t.TempDir()
	owner, stdout, _ := startOwner(t, dir, testName("owned"))
	var status lab.Status
	if err := json.NewDecoder(stdout).Decode(&status); err != nil {
		t.Fatal(err)
	}
	trace := traceOfStatus(t, status)
	if !status.Owned {
		t.Error("the status does not say that the lab has an owner")
	}
	_ = owner.Process.Kill()
	_ = owner.Wait()
	waitFor(t, "the state directory is gone", func() bool { return len(trace.remains()) == 0 })
	trace.goneCompletely(t)
}

func TestKilledSupervisor(t *testing.T) {
	needMachines(t)
	dir := t.TempDir()
	options := lab.Options{Name: testName("crash"), Count: 1, Dir: dir}
	crash := func(l *lab.Lab) trace {
		trace := traceOf(t, l)
		if err := unix.Kill(trace.status.SupervisorPID, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		trace.gone(t)
		if _, err := l.Status(t.Context()); !errors.Is(err, lab.ErrCrashed) {
			t.Errorf("status after the crash: %v", err)
		}
		return trace
	}
	first := crash(newLab(t, options))
	if len(first.remains()) == 0 {
		t.Error("not even the logs remain")
	}
	second := crash(newLab(t, options)) // it recovers by itself
	found, err := lab.Remove(t.Context(), options)
	if err != nil || !found {
		t.Errorf("Remove = %v, %v", found, err)
	}
	second.goneCompletely(t)
	found, err = lab.Remove(t.Context(), options)
	if err != nil || found {
		t.Errorf("Remove of nothing = %v, %v", found, err)
	}
}

func TestStoppedSupervisorIsKilled(t *testing.T) {
	needMachines(t)
	options := lab.Options{Name: testName("mute"), Count: 1, Dir: t.TempDir()}
	l := newLab(t, options)
	trace := traceOf(t, l)
	// It cannot answer, but its socket is open and its lock is held.
	if err := unix.Kill(trace.status.SupervisorPID, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the supervisor is stopped", func() bool { return statOf(trace.status.SupervisorPID)[0] == "T" })
	var log strings.Builder
	options.Log = &log
	if _, err := lab.Remove(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "does not answer") {
		t.Errorf("the log says %q", log.String())
	}
	trace.goneCompletely(t)
}

// TestInterruptedNew cancels New at different moments.
func TestInterruptedNew(t *testing.T) {
	needMachines(t)
	sharedMachines(t) // the root file system is there
	for _, moment := range []string{"network ", "is up at"} {
		t.Run(trim(moment), func(t *testing.T) {
			dir := t.TempDir()
			name := testName("interrupted")
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			interrupted := errors.New("interrupted by the test")
			log := writerFunc(func(line string) {
				if strings.Contains(line, moment) {
					cancel(interrupted)
				}
			})
			_, err := lab.New(ctx, lab.Options{Name: name, Count: 3, Dir: dir, Log: log})
			if !errors.Is(err, interrupted) {
				t.Errorf("err = %v", err)
			}
			nothingOf(t, dir, name)
		})
		t.Run("owner killed at "+trim(moment), func(t *testing.T) {
			dir := t.TempDir()
			name := testName("halfway")
			owner, _, stderr := startOwner(t, dir, name)
			var said strings.Builder
			buffer := make([]byte, 4096)
			for !strings.Contains(said.String(), moment) {
				n, err := stderr.Read(buffer)
				if err != nil {
					t.Fatalf("the owner ended: %v: %s", err, said.String())
				}
				said.Write(buffer[:n])
			}
			_ = owner.Process.Kill()
			_ = owner.Wait()
			waitFor(t, "the state directory is gone", func() bool {
				entries, _ := os.ReadDir(dir)
				return len(entries) == 0
			})
			nothingOf(t, dir, name)
		})
	}
}

// nothingOf checks for what can be found of a lab whose details are unknown.
func nothingOf(t *testing.T, dir, name string) {
	t.Helper()
	left := trace{status: lab.Status{Name: name, StateDir: filepath.Join(dir, name)}}
	left.goneCompletely(t)
	waitFor(t, "no process mentions the lab", func() bool { return processesOf(dir) == "" })
}

type writerFunc func(string)

func (f writerFunc) Write(p []byte) (int, error) {
	f(string(p))
	return len(p), nil
}

func TestTwoLabs(t *testing.T) {
	one := sharedMachines(t).Machine("one")
	dir := t.TempDir()
	other := newLab(t, lab.Options{Name: testName("other"), Machines: []string{"one"}, Dir: dir, DiskSize: 1 << 30, NoDefaultRoute: true})
	status, err := other.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ours, err := one.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if status.Subnet.Contains(ours.Address) {
		t.Errorf("both labs are in %s", status.Subnet)
	}
	shell(t, one, "not ping -c 1 -W 1 "+status.Machines[0].Address.String())
	shell(t, other.Machine("one"), "not ping -c 1 -W 1 "+ours.Address.String())
	if got := shell(t, other.Machine("one"), "ip route"); strings.Contains(got, "default") || !strings.Contains(got, status.Subnet.String()) {
		t.Errorf("routes without a default route:\n%s", got)
	}

	t.Run("the same name again", func(t *testing.T) {
		_, err := lab.New(t.Context(), lab.Options{Name: other.Name(), Count: 1, Dir: dir})
		if !errors.Is(err, lab.ErrExists) {
			t.Errorf("err = %v", err)
		}
	})
	t.Run("the same name in another directory", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 1e9)
		defer cancel()
		_, err := lab.New(ctx, lab.Options{Name: other.Name(), Count: 1, Dir: t.TempDir()})
		if err == nil || !strings.Contains(err.Error(), "another state directory") {
			t.Errorf("err = %v", err)
		}
	})
	t.Run("the same subnet", func(t *testing.T) {
		_, err := lab.New(t.Context(), lab.Options{Name: testName("third"), Count: 1, Dir: t.TempDir(), Subnet: status.Subnet})
		if err == nil || !strings.Contains(err.Error(), status.Subnet.String()) {
			t.Errorf("err = %v", err)
		}
	})
	names, err := lab.List(dir)
	if err != nil || len(names) != 1 || names[0] != other.Name() {
		t.Errorf("List = %v, %v", names, err)
	}
}

// TestDetached checks that a lab outlives its owner if that wants it.
func TestDetached(t *testing.T) {
	needMachines(t)
	options := lab.Options{Name: testName("detached"), Count: 1, Dir: t.TempDir()}
	l := newLab(t, options)
	if err := l.Detach(t.Context()); err != nil {
		t.Fatal(err)
	}
	opened, err := lab.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	trace := traceOf(t, opened)
	if trace.status.Owned {
		t.Error("the status says that the lab has an owner")
	}
	if err := opened.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	trace.goneCompletely(t)
}

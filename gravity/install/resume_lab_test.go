package install_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/install/installtest"
	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

// seedVariable repeats a run of TestResume.
const seedVariable = "GRAVITY_TEST_SEED"

// TestResume takes the machine's power away in the middle of an installation,
// kills the installer at random moments, and resumes it until it gets to the
// end. Then it installs phase by phase, and rolls all of them back.
func TestResume(t *testing.T) {
	installtest.SkipWithoutLab(t)
	seed := rand.Uint64()
	if text := os.Getenv(seedVariable); text != "" {
		parsed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = parsed
	}
	t.Logf("%s=%d", seedVariable, seed)
	random := rand.New(rand.NewPCG(seed, 0))
	machine := installtest.Machine(t, "resume", installtest.Bundle(t, installtest.Program(t), shop))
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	before := output(ctx, t, machine, snapshot)

	command := "/root/app/install --cluster=test"
	// A kill early in the first attempts meets them for sure; later ones may
	// come when all is done.
	killed, cut := 0, false
	if delay := 4*time.Second + time.Duration(random.Int64N(int64(12*time.Second))); cutPower(ctx, t, machine, command, delay) {
		cut = true
		t.Logf("without power after %s: %s", delay, phases(ctx, t, machine))
		command = "/root/app/gravity install --resume"
	}
	for attempt := range 6 {
		delay := time.Duration(random.Int64N(int64(min(12, 2+2*attempt)) * int64(time.Second)))
		if !killAfter(ctx, t, machine, command, delay) {
			break
		}
		killed++
		t.Logf("killed %d after %s: %s", attempt, delay, phases(ctx, t, machine))
		command = "/root/app/gravity install --resume"
		if strings.Contains(output(ctx, t, machine, "/root/app/gravity plan 2>&1 || true"), "no operation found") {
			command = "/root/app/install --cluster=test"
		}
	}
	if killed == 0 && !cut {
		t.Error("the installer was never interrupted")
	}
	if state := output(ctx, t, machine, "/root/app/gravity plan 2>&1 || true"); strings.Contains(state, "Unstarted") || strings.Contains(state, "In Progress") {
		finish(ctx, t, machine, command)
	}
	checkNode(ctx, t, machine)
	finish(ctx, t, machine, "gravity system uninstall --confirm")
	compare(t, before, output(ctx, t, machine, snapshot))

	t.Run("rollback", func(t *testing.T) {
		testRollback(ctx, t, machine)
		// The plan, logs and empty folders stay in the state folder.
		after := slices.DeleteFunc(lines(output(ctx, t, machine, snapshot)), func(line string) bool {
			return strings.HasPrefix(line, "/var/lib/gravity/")
		})
		compare(t, before, strings.Join(after, "\n"))
	})
}

// testRollback executes the phases one by one, and rolls them back.
func testRollback(ctx context.Context, t *testing.T, machine *lab.Machine) {
	finish(ctx, t, machine, "/root/app/install --cluster=test --manual")
	steps := []string{
		"/checks", "/configure", "/bootstrap", "/pull", "/masters", "/wait", "/rbac", "/coredns", "/overlay", "/export", "/health", "/app",
	}
	for _, step := range steps {
		finish(ctx, t, machine, "/root/app/gravity plan execute --phase="+step)
	}
	for _, step := range slices.Backward(steps) {
		finish(ctx, t, machine, "/root/app/gravity plan rollback --phase="+step)
		if step == "/rbac" {
			equal(ctx, t, machine, "kubectl get clusterroles,validatingadmissionpolicies -o name | grep -E 'psp|restricted' || true", "")
		}
	}
}

// cutPower starts a command, takes the machine's power away after some time, and
// gives it back. It tells whether the command was still running.
func cutPower(ctx context.Context, t *testing.T, machine *lab.Machine, command string, delay time.Duration) bool {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := machine.Run(ctx, lab.Command{Args: []string{"sh", "-c", command}})
		done <- err
	}()
	select {
	case err := <-done:
		t.Logf("it ended before: %v", err)
		return false
	case <-time.After(delay):
	}
	if err := machine.Kill(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("the installer ended: %v", <-done)
	if err := machine.Start(ctx); err != nil {
		t.Fatal(err)
	}
	return true
}

// killAfter starts a command and kills it, and nothing else, after some time.
// It tells whether the command was still running.
func killAfter(ctx context.Context, t *testing.T, machine *lab.Machine, command string, delay time.Duration) bool {
	t.Helper()
	script := fmt.Sprintf("%s >/tmp/output 2>&1 & sleep %.3f; pid=$(pgrep -f '^\\S*gravity install' | head -1); test -n \"$pid\" && kill -9 $pid && echo killed; wait; cat /tmp/output >&2; rm -f /tmp/output",
		command, delay.Seconds())
	result, err := machine.Run(ctx, lab.Command{Args: []string{"bash", "-c", script}})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(result.Stdout, "killed")
}

func phases(ctx context.Context, t *testing.T, machine *lab.Machine) string {
	t.Helper()
	text := output(ctx, t, machine, `/root/app/gravity plan -o json 2>/dev/null | grep -c '"state": "completed"' || true`)
	return text + " phases are completed"
}

func finish(ctx context.Context, t *testing.T, machine *lab.Machine, command string) {
	t.Helper()
	if err := run(ctx, t, machine, "sh", "-c", command); err != nil {
		installtest.Diagnose(t, machine)
		t.Fatal(err)
	}
}

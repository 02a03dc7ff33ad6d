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

// allVariable asks for every phase and every kind of interruption instead of a
// sample.
const allVariable = "GRAVITY_TEST_ALL"

// interruption is what happens while a phase is in progress.
type interruption struct{ phase, kind string }

// The kinds of interruptions.
const (
	killProgram   = "kill -9 of the program"
	killContainer = "kill -9 of the container"
	powerOff      = "power off"
)

// interruptions are all there are, or a sample, in the order of the phases.
func interruptions(t *testing.T) []interruption {
	t.Helper()
	phases := []string{
		"/checks", "/configure", "/bootstrap/node-1", "/pull/node-1", "/masters/node-1/master", "/masters/node-1/kubeadm", "/wait",
		"/rbac", "/coredns", "/overlay", "/export/node-1", "/health", "/app/shop", "/election",
	}
	var all []interruption
	for _, phase := range phases {
		// The program may finish the phase while the container is killed, so that
		// comes last.
		for _, kind := range []string{killProgram, powerOff, killContainer} {
			all = append(all, interruption{phase, kind})
		}
	}
	if os.Getenv(allVariable) != "" {
		return all
	}
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
	var sample []interruption
	for _, kind := range []string{killProgram, killContainer, powerOff} {
		sample = append(sample, interruption{phases[random.IntN(len(phases))], kind})
	}
	slices.SortFunc(sample, func(a, b interruption) int { return slices.Index(all, a) - slices.Index(all, b) })
	return sample
}

// TestInterruptions interrupts one installation in the middle of phases, and
// resumes it each time, to the end.
func TestInterruptions(t *testing.T) {
	installtest.SkipWithoutLab(t)
	machine := installtest.Machine(t, "interrupt", installtest.Bundle(t, installtest.Program(t), shop))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Minute)
	defer cancel()
	command, met := "/root/app/install --cluster=test", 0
	for _, next := range interruptions(t) {
		switch interrupt(ctx, t, machine, command, next) {
		case "met":
			met++
			t.Logf("%s: %s", next.phase, next.kind)
		case "over":
			t.Logf("%s: over before it could be interrupted by %s", next.phase, next.kind)
		}
		if !strings.Contains(output(ctx, t, machine, "/root/app/gravity plan 2>&1 || true"), "no operation found") {
			command = "/root/app/gravity install --resume"
		}
	}
	if met == 0 {
		t.Error("nothing was interrupted")
	}
	if !completed(ctx, t, machine, "/election") {
		finish(ctx, t, machine, command)
	}
	checkNode(ctx, t, machine)
	if state := output(ctx, t, machine, "gravity plan"); strings.Contains(state, "In Progress") || strings.Contains(state, "Failed") {
		t.Errorf("the plan:\n%s", state)
	}
}

// completed tells whether a phase is, as the changelog says.
func completed(ctx context.Context, t *testing.T, machine *lab.Machine, phase string) bool {
	t.Helper()
	last := fmt.Sprintf(`cat /var/lib/gravity/operations/*/changelog 2>/dev/null | grep '"phase_id":"%s"' | tail -n 1 || true`, phase)
	return strings.Contains(output(ctx, t, machine, last), `"completed"`)
}

// interrupt runs a command until it has come to a phase, and interrupts it: most
// phases in their middle, a very short one perhaps just after its end. The answer
// is "met"; or "over" if the phase was completed before. A command that ends
// before it came to the phase has failed, and the test with it.
func interrupt(ctx context.Context, t *testing.T, machine *lab.Machine, command string, at interruption) string {
	t.Helper()
	if completed(ctx, t, machine, at.phase) {
		return "over"
	}
	// What this run adds to the changelog is looked at, not what an earlier one did.
	watch := fmt.Sprintf(`changelog() { cat /var/lib/gravity/operations/*/changelog 2>/dev/null; }
before=$(changelog | wc -l)
%s >/tmp/output 2>&1 &
pid=$!
until changelog | tail -n +$((before + 1)) | grep -q '"phase_id":"%s"'; do
	kill -0 $pid 2>/dev/null || exit 9
done
`, command, at.phase)
	switch at.kind {
	case killProgram:
		watch += "pkill -9 -f '^[^ ]*gravity install'; wait; echo met"
	case killContainer:
		// The program notices or not. It ends with the phase at the latest, so that
		// later ones can be interrupted too.
		watch += fmt.Sprintf(`systemctl kill --signal=KILL gravity-master
until changelog | grep '"phase_id":"%s"' | tail -n 1 | grep -qv in_progress; do
	kill -0 $pid 2>/dev/null || break
done
pkill -9 -f '^[^ ]*gravity install'; wait; echo met`, at.phase)
	default:
		watch += "echo met"
	}
	result, err := machine.Run(ctx, lab.Command{Args: []string{"bash", "-c", watch}})
	if err != nil || !strings.Contains(result.Stdout, "met") {
		t.Fatalf("the installer ended before %s: %v\n%s", at.phase, err, output(ctx, t, machine, "tail -n 5 /tmp/output"))
	}
	if at.kind == powerOff {
		if err := machine.Kill(ctx); err != nil {
			t.Fatal(err)
		}
		if err := machine.Start(ctx); err != nil {
			t.Fatal(err)
		}
	}
	return "met"
}

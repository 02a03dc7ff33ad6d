package expand_test

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

// The kinds of interruptions: of the machine that joins, and of the only master.
const (
	killProgram   = "kill -9 of the program"
	powerOff      = "power off"
	killContainer = "kill -9 of the container"
	killAgent     = "kill -9 of the agent"
	masterAgent   = "kill -9 of the master's agent"
	masterOff     = "power off of the master"
)

// survived are the kinds that a join may go on after; the others end it.
var survived = []string{killContainer, killAgent, masterAgent, masterOff}

// joinPhases are those of a second master; a worker has no /etcdBackup.
var joinPhases = []string{
	"/checks", "/configure", "/bootstrap", "/pull", "/preHook", "/system/master", "/etcdBackup", "/kubeadm", "/wait/k8s", "/postHook", "/elect",
}

// seeded makes random numbers that a variable repeats.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv(seedVariable); text != "" {
		parsed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = parsed
	}
	t.Logf("%s=%d", seedVariable, seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// sample are a few interruptions of one join, in the order of the phases: one that
// the program does not survive, the loss of the master, and one of the others.
func sample(random *rand.Rand) []interruption {
	kinds := []string{[]string{killProgram, powerOff}[random.IntN(2)], masterOff, survived[random.IntN(3)]}
	var found []interruption
	for i, at := range random.Perm(len(joinPhases))[:len(kinds)] {
		found = append(found, interruption{joinPhases[at], kinds[i]})
	}
	slices.SortFunc(found, func(a, b interruption) int {
		return slices.Index(joinPhases, a.phase) - slices.Index(joinPhases, b.phase)
	})
	return found
}

// interrupted makes a machine a node with a join that is interrupted and resumed,
// and wants it to come to its end.
func (l *lab4) interrupted(ctx context.Context, on int, command string, all []interruption) {
	l.Helper()
	met := 0
	for _, next := range all {
		began := time.Now()
		switch l.interrupt(ctx, on, command, next) {
		case "met":
			met++
			l.Logf("%.1f s for %s: %s", time.Since(began).Seconds(), next.phase, next.kind)
		default:
			l.Logf("%s: over before %s", next.phase, next.kind)
		}
		if output(ctx, l.T, l.machines[on], "ls /var/lib/gravity/operations 2>/dev/null || true") != "" {
			command = "/root/gravity join --resume"
		}
	}
	if met == 0 {
		l.Error("nothing was interrupted")
	}
	if !l.completed(ctx, on, "/elect") {
		l.timed(ctx, on, command)
	}
}

// completed tells whether a phase is, as the changelog says.
func (l *lab4) completed(ctx context.Context, on int, phase string) bool {
	l.Helper()
	last := fmt.Sprintf(`cat /var/lib/gravity/operations/*/changelog 2>/dev/null | grep '"phase_id":"%s"' | tail -n 1 || true`, phase)
	return strings.Contains(output(ctx, l.T, l.machines[on], last), `"completed"`)
}

// interrupt runs a join until it has come to a phase, and interrupts it. What the
// join may survive it has to come through, unless the phase fails: then it is resumed.
// The answer is "met", or "over" if the phase was completed before.
func (l *lab4) interrupt(ctx context.Context, on int, command string, at interruption) string {
	l.Helper()
	machine := l.machines[on]
	if l.completed(ctx, on, at.phase) {
		return "over"
	}
	// What this run adds to the changelog is looked at, not what an earlier one did.
	watch := fmt.Sprintf(`changelog() { cat /var/lib/gravity/operations/*/changelog 2>/dev/null; }
before=$(changelog | wc -l)
setsid %s >/tmp/output 2>&1 </dev/null &
pid=$!
until changelog | tail -n +$((before + 1)) | grep -q '"phase_id":"%s"'; do
	kill -0 $pid 2>/dev/null || exit 9
done
`, command, at.phase)
	const end = "pkill -9 -f '^/root/gravity join'; wait; "
	switch at.kind {
	case killProgram:
		watch += end
	case killContainer:
		watch += "systemctl kill --signal=KILL gravity-master 2>/dev/null; "
	case killAgent:
		watch += "systemctl kill --signal=KILL gravity-agent 2>/dev/null; "
	}
	result, err := machine.Run(ctx, lab.Command{Args: []string{"bash", "-c", watch + "echo met"}})
	if err != nil || !strings.Contains(result.Stdout, "met") {
		installtest.Diagnose(l.T, machine)
		l.Fatalf("the join ended before %s: %v\n%s", at.phase, err, output(ctx, l.T, machine, "tail -n 5 /tmp/output"))
	}
	switch at.kind {
	case powerOff:
		l.restart(ctx, machine)
	case masterOff:
		l.restart(ctx, l.machines[0])
	case masterAgent:
		output(ctx, l.T, l.machines[0], "systemctl kill --signal=KILL gravity-agent")
	}
	if slices.Contains(survived, at.kind) {
		output(ctx, l.T, machine, fmt.Sprintf(`while pgrep -f '^/root/gravity join' >/dev/null; do
	cat /var/lib/gravity/operations/*/changelog | grep '"phase_id":"%s"' | tail -n 1 | grep -q in_progress || break
done
pkill -9 -f '^/root/gravity join'; true`, at.phase))
	}
	return "met"
}

// restart takes a machine's power away and gives it back.
func (l *lab4) restart(ctx context.Context, machine *lab.Machine) {
	l.Helper()
	if err := machine.Kill(ctx); err != nil {
		l.Fatal(err)
	}
	if err := machine.Start(ctx); err != nil {
		l.Fatal(err)
	}
}

// settled wants nodes to be ready, members of etcd to vote, and no join to be left.
func (l *lab4) settled(ctx context.Context, nodes, members int) {
	l.Helper()
	l.timed(ctx, 0, fmt.Sprintf(`for i in $(seq 120); do
	test "$(kubectl get nodes --no-headers | grep -c ' Ready ')" = %d && test "$(%smember list | grep -c started.*false)" = %d &&
	test -z "$(kubectl get configmap joins -n gravity-system -o jsonpath='{.data}' | tr -d '{}')" && exit
	sleep 1
done
kubectl get nodes; kubectl get configmap joins -n gravity-system -o yaml; exit 1`, nodes, etcdctl, members))
}

// TestInterruptions interrupts joins in every phase, in every way, and has the nodes
// leave again without a trace.
func TestInterruptions(t *testing.T) {
	installtest.SkipWithoutLab(t)
	if os.Getenv(allVariable) == "" {
		t.Skipf("TestJoin has a sample; %s asks for all", allVariable)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 55*time.Minute)
	defer cancel()
	program := installtest.Program(t)
	l := &lab4{T: t, machines: installtest.Machines(t, "join-cut", 2, installtest.Bundle(t, program, shop), program)}
	before := output(ctx, t, l.machines[1], installtest.Snapshot)
	l.install(ctx)
	for _, role := range []string{"worker", "node"} {
		for _, last := range survived {
			var all []interruption
			for _, phase := range joinPhases {
				if phase == "/etcdBackup" && role == "worker" {
					continue
				}
				for _, kind := range []string{killProgram, powerOff, last} {
					all = append(all, interruption{phase, kind})
				}
			}
			t.Logf("a %s joins", role)
			l.interrupted(ctx, 1, l.join("--role="+role), all)
			l.settled(ctx, 2, map[string]int{"worker": 1, "node": 2}[role])
			l.timed(ctx, 0, "gravity remove node-2 --confirm --wait")
			l.settled(ctx, 1, 1)
			l.restored(ctx, 1, before)
			output(ctx, t, l.machines[0], "kubectl delete configmap before-node-2 after-node-2") // the hooks'
		}
	}
}

// restored wants a machine to be as it was before it joined.
func (l *lab4) restored(ctx context.Context, on int, before string) {
	l.Helper()
	after := output(ctx, l.T, l.machines[on], `for i in $(seq 120); do
	test -e /etc/systemd/system/gravity-uninstall.service || systemctl is-active gravity-uninstall | grep -qx -e active -e activating -e deactivating || break
	sleep 1
done
rm -f /tmp/output
`+installtest.Snapshot)
	installtest.Compare(l.T, strings.TrimSpace(before), after)
}

package removal_test

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

const (
	// allVariable asks for every phase and every kind of interruption instead of a
	// sample, seedVariable repeats a sample, and partsVariable names whose removals
	// are interrupted then: "worker", "master", or both.
	allVariable   = "GRAVITY_TEST_ALL"
	seedVariable  = "GRAVITY_TEST_SEED"
	partsVariable = "GRAVITY_TEST_PARTS"
)

// The kinds of interruptions: of the master that executes a removal, and of the node
// that leaves.
const (
	killOperation = "kill -9 of the operation"
	killAgent     = "kill -9 of the master's agent"
	powerOff      = "power off of the master"
	loseMaster    = "loss of the master's operation and agent"
	nodeAgent     = "kill -9 of the node's agent"
	nodeContainer = "kill -9 of the node's container"
	nodeOff       = "power off of the node"
)

var (
	workerPhases = []string{"/init", "/preHook", "/drain", "/uninstall", "/kubernetes", "/postHook", "/finish"}
	masterPhases = []string{"/init", "/preHook", "/drain", "/masters", "/etcd", "/uninstall", "/kubernetes", "/postHook", "/finish"}
)

// interruption is what happens while a phase is in progress.
type interruption struct{ phase, kind string }

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

// at puts kinds of interruptions at random phases, in the order of those.
func at(random *rand.Rand, phases []string, kinds ...string) []interruption {
	var found []interruption
	for i, phase := range random.Perm(len(phases))[:len(kinds)] {
		found = append(found, interruption{phases[phase], kinds[i]})
	}
	slices.SortFunc(found, func(a, b interruption) int { return slices.Index(phases, a.phase) - slices.Index(phases, b.phase) })
	return found
}

// removal is a removal that is interrupted.
type removal struct {
	*site
	node    int   // that leaves
	masters []int // that stay
	random  *rand.Rand
	lines   map[string]int // how long changelogs were when they were looked at last
}

// interrupted removes a node with interruptions, after each of which any master is
// told to remove it again. It returns when the node is removed.
func (s *site) interrupted(ctx context.Context, random *rand.Rand, node int, masters []int, all []interruption) {
	s.Helper()
	r := &removal{s, node, masters, random, map[string]int{}}
	for _, next := range all {
		began := time.Now()
		from := masters[random.IntN(len(masters))]
		id := r.remove(ctx, from)
		if id == "" {
			s.Logf("removed before %s: %s", next.phase, next.kind)
			break
		}
		lead := s.lead(ctx, id)
		if r.wait(ctx, lead, id, next.phase) {
			r.interrupt(ctx, lead, id, next)
			s.Logf("%.1f s for %s: %s; told node-%d, which has it done by node-%d", time.Since(began).Seconds(), next.phase, next.kind, from, lead)
		}
	}
	if id := r.remove(ctx, masters[random.IntN(len(masters))]); id != "" {
		s.completed(ctx, s.lead(ctx, id), id)
	}
	s.as(ctx, node)
	s.until(ctx, masters[0], fmt.Sprintf("test -z \"$(kubectl get node node-%d --ignore-not-found -o name)\" && "+
		"test \"$(kubectl get configmap -n gravity-system cluster -o jsonpath='{.data.state}/{.data.operation}{.data.leaving}')\" = active/", node))
}

// remove has the node removed and returns the operation; empty if it is no node any
// more. A cluster that has just lost a master takes a while to answer.
func (r *removal) remove(ctx context.Context, from int) string {
	r.Helper()
	script := fmt.Sprintf(`for i in $(seq 240); do
	gravity remove node-%d --confirm --quiet 2>/tmp/refused && break
	grep -q 'is not a member' /tmp/refused && break
	sleep 1
done
cat /tmp/refused >&2; grep -q 'is not a member' /tmp/refused || ! test -s /tmp/refused
code=$?; rm /tmp/refused; exit $code`, r.node)
	return r.must(ctx, from, script)
}

// wait waits until a phase has begun since the last interruption; false if the
// operation has ended before that.
func (r *removal) wait(ctx context.Context, lead int, id, phase string) bool {
	r.Helper()
	text := r.must(ctx, lead, fmt.Sprintf(`file=/var/lib/gravity/operations/%s/changelog
until tail -n +%d $file | grep -q '"phase_id":"%s"'; do
	systemctl is-active -q gravity-operation-%[1]s || { sleep 1; tail -n +%[2]d $file | grep -q '"phase_id":"%[3]s"' || echo ended; break; }
done`, id, r.lines[id]+1, phase))
	if text != "" {
		r.Logf("%s: over before", phase)
	}
	return text == ""
}

func (r *removal) interrupt(ctx context.Context, lead int, id string, next interruption) {
	r.Helper()
	unit := "gravity-operation-" + id
	switch next.kind {
	case killOperation:
		r.must(ctx, lead, "systemctl kill --signal=KILL "+unit+" 2>/dev/null; true")
	case killAgent:
		r.must(ctx, lead, "systemctl kill --signal=KILL gravity-agent")
	case powerOff:
		r.restart(ctx, r.machines[lead-1])
	case loseMaster:
		r.must(ctx, lead, "systemctl kill --signal=KILL "+unit+" 2>/dev/null; systemctl stop gravity-agent")
		r.takenOver(ctx, lead, id)
	case nodeAgent:
		r.must(ctx, r.node, "systemctl kill --signal=KILL gravity-agent 2>/dev/null; true")
	case nodeContainer:
		r.must(ctx, r.node, "systemctl kill --signal=KILL gravity-master 2>/dev/null; true")
	case nodeOff:
		r.restart(ctx, r.machines[r.node-1])
	}
	if text, err := r.run(ctx, lead, "wc -l </var/lib/gravity/operations/"+id+"/changelog"); err == nil {
		r.lines[id], _ = strconv.Atoi(text)
	}
}

// takenOver has another master remove the node while the one that has begun it does
// not answer; that one may then not go on.
func (r *removal) takenOver(ctx context.Context, lost int, id string) {
	r.Helper()
	for _, other := range r.masters {
		if other == lost {
			continue
		}
		if next := r.remove(ctx, other); next == id {
			r.Errorf("node-%d lets a master go on that does not answer", other)
		} else if next != "" {
			r.completed(ctx, other, next)
		}
		break
	}
	r.must(ctx, lost, "systemctl start gravity-agent")
	if _, err := r.run(ctx, lost, "gravity plan --operation-id="+id+" -o short | grep -E '^. finish +Unstarted'"); err == nil {
		r.refused(ctx, lost, "gravity plan resume --operation-id="+id, "this operation does not remove node")
	}
}

func (s *site) restart(ctx context.Context, machine *lab.Machine) {
	s.Helper()
	if err := machine.Kill(ctx); err != nil {
		s.Fatal(err)
	}
	if err := machine.Start(ctx); err != nil {
		s.Fatal(err)
	}
}

// TestInterruptions interrupts removals of a worker and of a master in every phase, in
// every way.
func TestInterruptions(t *testing.T) {
	installtest.SkipWithoutLab(t)
	if os.Getenv(allVariable) == "" {
		t.Skipf("TestLeaveAndRemove has a sample; %s asks for all", allVariable)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 55*time.Minute)
	defer cancel()
	s, random := newSite(ctx, t, "removal-cut"), seeded(t)
	s.join(ctx, 2, "node")
	wanted := func(role string) bool {
		parts := os.Getenv(partsVariable)
		return parts == "" || slices.Contains(strings.Split(parts, ","), role)
	}
	for _, phase := range workerPhases {
		for _, kinds := range append(together, []string{loseMaster}) {
			if wanted("worker") {
				s.join(ctx, 3, "worker")
				s.interrupted(ctx, random, 3, []int{1, 2}, all(phase, kinds))
				s.listens(ctx, 1)
			}
		}
	}
	for _, phase := range masterPhases {
		for _, kinds := range together {
			if wanted("master") {
				s.interrupted(ctx, random, 2, []int{1}, all(phase, kinds))
				s.listens(ctx, 1)
				s.join(ctx, 2, "node")
			}
		}
	}
}

// together are kinds that one removal goes through, one after the other.
var together = [][]string{{killOperation, killAgent, powerOff}, {nodeAgent, nodeContainer, nodeOff}}

// all are interruptions of one phase.
func all(phase string, kinds []string) []interruption {
	var found []interruption
	for _, kind := range kinds {
		found = append(found, interruption{phase, kind})
	}
	return found
}

// listens waits for a master's agent, which may just have been killed.
func (s *site) listens(ctx context.Context, n int) {
	s.Helper()
	s.until(ctx, n, "bash -c '</dev/tcp/127.0.0.1/3009'")
}

// masterDies has a worker leave while masters are interrupted that remove it, and one
// of them is taken over. What that one had begun is in nobody's way.
func masterDies(ctx context.Context, s *site, random *rand.Rand) {
	s.join(ctx, 3, "worker")
	s.interrupted(ctx, random, 3, []int{1, 2}, at(random, workerPhases, killOperation, powerOff, loseMaster))
	if text := s.must(ctx, 1, "gravity plan | tail -n 3"); strings.Contains(text, "In Progress") {
		s.Errorf("the plan of the master that was lost: %s", text)
	}
}

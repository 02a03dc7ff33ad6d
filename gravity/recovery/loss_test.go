package recovery_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/install/installtest"
)

const (
	// maxGap is how long the API and the application may be silent when a master is
	// lost, and maxNotice how long it may take until others tell that it is.
	maxGap    = 10 * time.Second
	maxNotice = 30 * time.Second
)

// way is a way to lose a master.
type way struct {
	name       string
	lose, back func(ctx context.Context, s *site, n int)
}

var ways = []way{
	{
		name: "the container is killed",
		lose: func(ctx context.Context, s *site, n int) {
			s.must(ctx, n, "systemctl kill --signal=KILL gravity-master")
		},
		back: func(context.Context, *site, int) {},
	},
	{
		name: "the power is off",
		lose: func(ctx context.Context, s *site, n int) { s.do(ctx, s.machines[n-1].Kill) },
		back: func(ctx context.Context, s *site, n int) { s.do(ctx, s.machines[n-1].Start) },
	},
	{
		name: "the network is cut",
		lose: func(ctx context.Context, s *site, n int) { s.do(ctx, s.machines[n-1].Cut) },
		back: func(ctx context.Context, s *site, n int) { s.do(ctx, s.machines[n-1].Heal) },
	},
}

// TestRecovery loses masters of one cluster in all ways, and wants it to go on.
func TestRecovery(t *testing.T) {
	installtest.SkipWithoutLab(t)
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Minute)
	defer cancel()
	s := newSite(ctx, t)
	parts := []part{{"losses", s.losses}}
	others := []part{{"leader", s.leader}, {"package store", s.packageStore}, {"power", s.power}, {"replacement", s.replacement}}
	switch wanted := os.Getenv(partsVariable); {
	case wanted != "":
		parts = slices.DeleteFunc(append(parts, others...), func(p part) bool { return !slices.Contains(strings.Split(wanted, ","), p.name) })
	case os.Getenv(allVariable) != "":
		parts = append(parts, others...)
	default:
		parts = append(parts, others[s.random.IntN(len(others))])
	}
	for _, part := range parts {
		began := time.Now()
		part.run(ctx)
		t.Logf("%5.1f s: %s", time.Since(began).Seconds(), part.name)
		if t.Failed() {
			break
		}
	}
}

// part is a part of the test.
type part struct {
	name string
	run  func(context.Context)
}

// losses loses one master at random, or each in each way.
func (s *site) losses(ctx context.Context) {
	var lines []string
	if os.Getenv(allVariable) == "" {
		lines = append(lines, s.judged(ctx, 1+s.random.IntN(3), ways[s.random.IntN(len(ways))]))
	} else {
		for _, w := range ways {
			for n := 1; n <= 3; n++ {
				lines = append(lines, s.judged(ctx, n, w))
			}
		}
	}
	s.Logf("longest gaps and times in seconds:\n%-10s %-26s %6s %6s %6s %7s %6s\n%s",
		"lost", "how", "API", "worker", "rows", "noticed", "back", strings.Join(lines, "\n"))
}

// judged loses a master, and once more if this host was too slow to judge that.
func (s *site) judged(ctx context.Context, lost int, w way) string {
	s.Helper()
	line, slow := s.loss(ctx, lost, w)
	if slow {
		s.Logf("node-%d: %s: once more", lost, w.name)
		if line, slow = s.loss(ctx, lost, w); slow {
			s.Errorf("node-%d: %s: this host has twice had too much else to do to judge that", lost, w.name)
		}
	}
	return line
}

// loss loses a master for a while, and returns a line of figures. It tells whether
// they are too high since the host had too much else to do.
func (s *site) loss(ctx context.Context, lost int, w way) (line string, slow bool) {
	s.Helper()
	name := fmt.Sprintf("node-%d: %s", lost, w.name)
	watching, stop := context.WithCancel(ctx)
	defer stop()
	var running sync.WaitGroup
	host := new(pressure)
	running.Go(func() { host.watch(watching) })
	all := s.clients(watching, lost, &running)
	for _, r := range all {
		s.begins(ctx, r)
	}
	witness := 1 + lost%3
	began := time.Now()
	w.lose(ctx, s, lost)
	noticed := s.notice(ctx, witness, lost, began)
	if w.name != ways[0].name {
		// What Kubernetes does by itself when a node is lost comes after this.
		s.until(ctx, witness, fmt.Sprintf("kubectl wait node/node-%d --for=condition=Ready=Unknown --timeout=5s", lost))
	}
	w.back(ctx, s, lost)
	returned := time.Now()
	s.well(ctx, witness)
	back := time.Since(returned)
	stop()
	gaps := make([]time.Duration, len(all))
	for i, r := range all {
		gap, from := r.gap()
		gaps[i] = gap
		what := fmt.Sprintf("%s: %s: nothing succeeded for %.1f s, from %.1f s after the loss", name, r.name, gap.Seconds(), from.Sub(began).Seconds())
		slow = s.judge(what, gap, maxGap, host.starved(from, from.Add(gap))) || slow
		if gap > maxGap/2 {
			s.Logf("lost at %s", began.Format("15:04:05.000"))
			r.explain(s.T)
		}
	}
	running.Wait()
	if gaps[0] > maxGap {
		s.diagnoseLedger(ctx, witness, began)
	}
	what := fmt.Sprintf("%s: node-%d tells so after %.1f s", name, witness, noticed.Seconds())
	slow = s.judge(what, noticed, maxNotice, host.starved(began, began.Add(noticed))) || slow
	s.complete(ctx, name)
	line = fmt.Sprintf("%-10s %-26s %6.1f %6.1f %6.1f %7.1f %6.1f", fmt.Sprintf("node-%d", lost), w.name,
		max(gaps[1], gaps[2]).Seconds(), gaps[3].Seconds(), gaps[0].Seconds(), noticed.Seconds(), back.Seconds())
	s.Log(line)
	return line, slow
}

// clients use the application and, from each node but one, the API: first the record of
// the application's, then those of the nodes.
func (s *site) clients(ctx context.Context, lost int, running *sync.WaitGroup) []*record {
	s.Helper()
	rows := newRecord("rows")
	all := []*record{rows}
	s.rows.addresses = nil
	for n, address := range s.addresses[:4] {
		if n+1 != lost {
			all = append(all, s.callFrom(ctx, n+1, running))
			s.rows.addresses = append(s.rows.addresses, address)
		}
	}
	running.Go(func() { s.rows.write(ctx, rows) })
	return all
}

// judge wants something to take no longer than its limit. It tells whether it did and
// the host may be why, unless it took far too long even so.
func (s *site) judge(what string, took, limit time.Duration, starved bool) (slow bool) {
	s.Helper()
	switch {
	case took <= limit:
		return false
	case starved && took <= starvedFactor*limit:
		s.Logf("%s; this host had too much else to do to judge that", what)
		return true
	}
	s.Error(what)
	return false
}

// diagnoseLedger prints what the application said since a time.
func (s *site) diagnoseLedger(ctx context.Context, ask int, since time.Time) {
	script := fmt.Sprintf(`kubectl get pods -n default -o wide
for pod in $(kubectl get pods -n default -l app.kubernetes.io/name=ledger -o name); do
	echo "--- $pod"; kubectl logs -n default "$pod" --since-time=%s --timestamps 2>&1 |
		grep -vE 'sending buffer is full|"status":201' | cut -c1-500 | tail -n 60
done`, since.UTC().Format(time.RFC3339))
	text, err := s.run(ctx, ask, script)
	fmt.Fprintf(s.Output(), "%s (%v)\n", text, err)
}

// begins waits until something succeeds.
func (s *site) begins(ctx context.Context, r *record) {
	s.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for r.count() < 3 {
		select {
		case <-ctx.Done():
			r.explain(s.T)
			s.Fatalf("%s: nothing succeeds", r.name)
		case <-time.After(100 * time.Millisecond):
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begun = r.good[0] // it may have taken its time to begin
}

// notice waits until a node tells that another one is not well.
func (s *site) notice(ctx context.Context, witness, lost int, began time.Time) time.Duration {
	s.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		found, err := s.status(ctx, witness)
		if err == nil {
			for _, n := range found.Cluster.Nodes {
				if n.Hostname == fmt.Sprintf("node-%d", lost) && n.Status != "healthy" {
					return time.Since(began)
				}
			}
		}
		select {
		case <-ctx.Done():
			s.Fatalf("node-%d does not tell that node-%d is lost: %v", witness, lost, err)
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// complete wants all acknowledged rows to be there.
func (s *site) complete(ctx context.Context, when string) {
	s.Helper()
	missing, err := s.rows.missing(ctx)
	if err != nil {
		s.Errorf("%s: %v", when, err)
	}
	if len(missing) > 0 {
		s.Errorf("%s: %d of %d acknowledged rows are missing, such as %s", when, len(missing), len(s.rows.rows), missing[0])
	}
}

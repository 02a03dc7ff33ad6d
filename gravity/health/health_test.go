package health

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

func TestRun(t *testing.T) {
	says := func(detail string, err error) func(context.Context) (string, error) {
		return func(context.Context) (string, error) { return detail, err }
	}
	got := Run(t.Context(), []Checker{
		{"good", says("3 pods", nil)},
		{"bad", says("", errors.New("it is\n\tbroken"))},
		{"warns", says("82%", warn("disk is %d%% full", 82))},
		{"wrapped", says("", fmt.Errorf("disk: %w", warn("full")))},
		{"asleep", says("", unknown{errors.New("nobody answers")})},
	})
	want := []report.Probe{
		{Checker: "good", Detail: "3 pods", Status: "running"},
		{Checker: "bad", Error: "it is broken", Severity: "critical", Status: "failed"},
		{Checker: "warns", Detail: "82%", Error: "disk is 82% full", Severity: "warning", Status: "failed"},
		{Checker: "wrapped", Error: "disk: full", Severity: "warning", Status: "failed"},
		{Checker: "asleep", Error: "nobody answers", Severity: "critical", Status: "unknown"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, test := range []struct {
		probes []report.Probe
		want   string
	}{{got[:1], "running"}, {got[2:4], "running"}, {got[:2], "degraded"}, {got[4:], "degraded"}, {nil, "running"}} {
		if status := StatusOf(test.probes); status != test.want {
			t.Errorf("%v: %s, want %s", test.probes, status, test.want)
		}
	}
}

// TestRunBounds wants no more than some checkers at a time, and each to be given
// up when it does not answer.
func TestRunBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int64
		checkers := make([]Checker, 25)
		for i := range checkers {
			checkers[i] = Checker{fmt.Sprint(i), func(ctx context.Context) (string, error) {
				most.Store(max(most.Load(), running.Add(1)))
				defer running.Add(-1)
				<-ctx.Done()
				return "", ctx.Err()
			}}
		}
		began := time.Now()
		probes := Run(t.Context(), checkers)
		if took := time.Since(began); took != 3*checkTimeout {
			t.Errorf("it took %s", took)
		}
		if most.Load() != parallel {
			t.Errorf("%d at a time, want %d", most.Load(), parallel)
		}
		for _, probe := range probes {
			if probe.Status != "failed" || !strings.HasPrefix(probe.Error, "no answer in 8s") {
				t.Errorf("%+v", probe)
			}
		}
	})
}

// TestRunStuck wants a checker that never returns to hold up nobody for long, and not
// to be begun again before it has returned.
func TestRunStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answered := make(chan struct{})
		begun := 0
		checkers := []Checker{
			{"stuck", func(context.Context) (string, error) {
				begun++
				<-answered
				return "", nil
			}},
			{"well", func(context.Context) (string, error) { return "", nil }},
		}
		runner := Runner{}
		began := time.Now()
		round := func(took time.Duration, status, problem string) {
			t.Helper()
			start := time.Now()
			probes := runner.Run(t.Context(), checkers)
			if got := time.Since(start); got != took {
				t.Errorf("a round takes %s, want %s", got, took)
			}
			if probes[0].Status != status || !strings.Contains(probes[0].Error, problem) || probes[1].Status != report.HealthRunning {
				t.Errorf("%+v, want %s", probes, problem)
			}
		}
		round(checkTimeout+graceTime, report.HealthFailed, "no answer in 8s: it does not end")
		round(0, report.HealthFailed, "no answer since "+began.UTC().Format(time.DateTime))
		close(answered)
		synctest.Wait()
		round(0, report.HealthRunning, "")
		if begun != 2 {
			t.Errorf("it was begun %d times, want 2", begun)
		}
	})
}

func TestOneLineIsBounded(t *testing.T) {
	if got := oneLine(strings.Repeat("ä", maxError)); len(got) > maxError+5 || !strings.HasSuffix(got, "ä …") {
		t.Errorf("%d bytes, …%q", len(got), got[len(got)-8:])
	}
}

func TestCanonical(t *testing.T) {
	for name, want := range map[string]string{"docker": "containerd", "docker-registry": "registry", "dns": "dns"} {
		if got := Canonical(name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

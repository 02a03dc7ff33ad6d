package health

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

// TestPeers wants the endpoint to show all nodes, those that do not answer too, and
// the last list to stay when nobody knows which there are.
func TestPeers(t *testing.T) {
	members := []report.Member{
		{Addr: "10.0.0.3:7496", Name: "10_0_0_3.test", Status: "failed", Tags: map[string]string{"nodename": "node-3"}},
		{Addr: "10.0.0.2:7496", Name: "10_0_0_2.test", Status: "alive", Tags: map[string]string{"nodename": "node-2"}},
		{Addr: "10.0.0.4:7496", Name: "10_0_0_4.test", Tags: map[string]string{"nodename": "node-4"}},
	}
	var listErr error
	peers := &Peers{
		List: func(context.Context) ([]report.Member, error) { return members, listErr },
		Ask: func(_ context.Context, address netip.Addr) (report.NodeHealth, error) {
			if address != netip.MustParseAddr("10.0.0.2") {
				return report.NodeHealth{}, errors.New("no answer")
			}
			return report.NodeHealth{
				Name: "10_0_0_2.test", Status: report.HealthRunning, Probes: []report.Probe{{Checker: "kubelet", Status: report.HealthRunning}, {Checker: "dns"}},
				MemberStatus: members[1],
			}, nil
		},
	}
	m := newMonitor(t, t.TempDir()+"/history", (&patient{}).checkers)
	m.Peers = peers
	for _, problem := range []error{nil, errors.New("the API server is down")} {
		listErr = problem
		peers.Check(t.Context())
		request := httptest.NewRequest(http.MethodGet, "/?checker=kubelet", nil)
		recorder := httptest.NewRecorder()
		m.Handler().ServeHTTP(recorder, request)
		var found report.Health
		if err := json.Unmarshal(recorder.Body.Bytes(), &found); err != nil {
			t.Fatal(err)
		}
		if recorder.Code != http.StatusServiceUnavailable || found.Status != report.HealthDegraded || len(found.Nodes) != 4 {
			t.Fatalf("%d: %+v", recorder.Code, found)
		}
		for i, want := range []struct{ name, status, member string }{
			{"", report.HealthUnknown, ""}, // this one, before its first round
			{"10_0_0_2.test", report.HealthRunning, "alive"}, {"10_0_0_3.test", report.HealthUnknown, "failed"}, {"10_0_0_4.test", report.HealthUnknown, "failed"},
		} {
			got := found.Nodes[i]
			if got.Name != want.name || got.Status != want.status || got.MemberStatus.Status != want.member || got.Probes == nil {
				t.Errorf("node %d is %+v, want %+v", i, got, want)
			}
		}
		if probes := found.Nodes[1].Probes; len(probes) != 1 || probes[0].Checker != "kubelet" {
			t.Errorf("one probe was asked for, and there are %v", probes)
		}
	}
}

// beating is a node that a test changes while it is probed.
type beating struct {
	mu      sync.Mutex
	pulse   string
	failure error
	rounds  int
}

func (b *beating) set(pulse string, failure error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pulse, b.failure = pulse, failure
}

func (b *beating) Pulse() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pulse
}

func (b *beating) check(context.Context) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rounds++
	return "", b.failure
}

func (b *beating) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rounds
}

// TestPulse wants a round as soon as the pulse is another one, and to know soon
// that a node is well again.
func TestPulse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &beating{pulse: "1"}
		m := &Monitor{
			Node: func() (*node.Node, error) {
				return &node.Node{Name: "node-1", Address: netip.MustParseAddr("10.0.0.1"), Cluster: "test"}, nil
			},
			Checkers: func(*node.Node) []Checker { return []Checker{{"kubelet", b.check}} },
			Pulse:    b.Pulse, Log: slog.New(slog.DiscardHandler),
		}
		m.History, _ = OpenHistory(t.TempDir() + "/history")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go m.Run(ctx)
		time.Sleep(Interval - pulseInterval)
		if b.count() != 1 {
			t.Errorf("%d rounds while nothing happens", b.count())
		}
		b.set("", errors.New("down"))
		time.Sleep(2 * pulseInterval)
		if b.count() != 2 || m.Last().Status != report.HealthDegraded {
			t.Errorf("%d rounds when the pulse has stopped: %+v", b.count(), m.Last())
		}
		b.set("", nil)
		time.Sleep(illInterval + pulseInterval)
		if b.count() != 3 || m.Last().Status != report.HealthRunning {
			t.Errorf("%d rounds after the node was ill: %+v", b.count(), m.Last())
		}
	})
}

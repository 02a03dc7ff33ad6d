package health

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

var self = &node.Node{Name: "node-1", Cluster: "example", Address: netip.MustParseAddr("192.168.121.245"), Master: true}

// patient is a node with one thing to check.
type patient struct {
	mu  sync.Mutex
	err error
}

func (p *patient) set(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

func (p *patient) checkers(*node.Node) []Checker {
	return []Checker{
		{"dns", func(context.Context) (string, error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			return "", p.err
		}},
		{"kubelet", func(context.Context) (string, error) { return "", nil }},
	}
}

func newMonitor(t *testing.T, file string, checkers func(*node.Node) []Checker) *Monitor {
	t.Helper()
	history, err := OpenHistory(file)
	if err != nil {
		t.Fatal(err)
	}
	return &Monitor{
		Node: func() (*node.Node, error) { return self, nil }, Checkers: checkers, History: history,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

// story is the history without its times.
func story(t *testing.T, file string) string {
	t.Helper()
	var words []string
	for _, event := range readHistory(t, file) {
		words = append(words, strings.TrimSpace(event.Type+" "+event.Checker))
	}
	return strings.Join(words, ", ")
}

// TestMonitor follows a node that comes up, fails, warns and recovers, with an
// agent that is started again meanwhile.
func TestMonitor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "history.jsonl")
		down := errors.New("down")
		p := &patient{err: down}
		start := func() context.CancelFunc {
			m := newMonitor(t, file, p.checkers)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				m.Run(ctx)
			}()
			return func() { cancel(); <-done }
		}
		stop := start()
		step := func(what string, err error, after time.Duration, want string) {
			t.Helper()
			p.set(err)
			time.Sleep(after)
			synctest.Wait()
			if got := story(t, file); got != want {
				t.Errorf("%s: %s\nwant %s", what, got, want)
			}
		}
		step("it comes up", down, 2*time.Minute, "")
		step("it is up", nil, Interval+time.Second, "")
		want := "probe_failed dns, node_degraded"
		step("it fails", down, Interval+time.Second, want)
		step("it still fails", errors.New("worse"), 3*Interval, want)
		stop()
		stop = start()
		step("another agent starts", down, 2*Interval, want)
		want += ", probe_succeeded dns, node_recovered"
		step("it recovers", nil, Interval+time.Second, want)
		want += ", probe_failed dns"
		step("it warns", warn("full"), Interval+time.Second, want)
		want += ", node_degraded"
		step("it cannot be told", unknown{down}, Interval+time.Second, want)
		stop()
		p.set(nil)
		stop = start()
		step("it has recovered while no agent ran", nil, time.Second, want+", probe_succeeded dns, node_recovered")
		stop()
	})
}

// TestMonitorGivesUp wants a node that never comes up to be in the history.
func TestMonitorGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "history.jsonl")
		p := &patient{err: errors.New("down")}
		m := newMonitor(t, file, p.checkers)
		ctx, cancel := context.WithTimeout(t.Context(), settleTime+Interval)
		defer cancel()
		m.Run(ctx)
		if got := story(t, file); got != "probe_failed dns, node_degraded" {
			t.Errorf("the history is %q", got)
		}
	})
}

// TestLastOutdated wants nobody to believe what was true when the last round ended
// that ever will.
func TestLastOutdated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, answered := 0, make(chan struct{})
		m := newMonitor(t, filepath.Join(t.TempDir(), "history.jsonl"), (&patient{}).checkers)
		m.Node = func() (*node.Node, error) {
			if asked++; asked > 1 {
				<-answered // the disk is gone
			}
			return self, nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			m.Run(ctx)
		}()
		time.Sleep(maxAge)
		if last := m.Last(); last.Status != report.HealthRunning {
			t.Errorf("after %s: %+v", maxAge, last)
		}
		time.Sleep(time.Second)
		last := m.Last()
		if last.Status != report.HealthUnknown || last.MemberStatus.Tags["nodename"] != self.Name ||
			len(last.Probes) != 1 || !last.Probes[0].Degrades() || !strings.Contains(last.Probes[0].Error, "has ended no round of probes") {
			t.Errorf("later: %+v", last)
		}
		cancel()
		close(answered)
		<-done
	})
}

// TestCheckShares wants many who ask at once to share two rounds: the one that
// is being made began before they asked.
func TestCheckShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rounds atomic.Int64
		m := newMonitor(t, filepath.Join(t.TempDir(), "history.jsonl"), func(*node.Node) []Checker {
			return []Checker{{"slow", func(context.Context) (string, error) {
				rounds.Add(1)
				time.Sleep(time.Second)
				return "", nil
			}}}
		})
		var asking sync.WaitGroup
		for i := range 20 {
			time.Sleep(time.Duration(min(i, 1)) * time.Millisecond)
			asking.Go(func() {
				asked := time.Now()
				result, err := m.Check(t.Context())
				if err != nil || result.Checked.Before(asked) {
					t.Errorf("asked at %s, and told what was true at %s: %v", asked, result.Checked, err)
				}
			})
		}
		asking.Wait()
		if rounds.Load() != 2 {
			t.Errorf("%d rounds, want 2", rounds.Load())
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := m.Check(ctx); err == nil {
			t.Error("who does not wait is answered")
		}
	})
}

// TestHandler wants the answers of the guide.
func TestHandler(t *testing.T) {
	p := &patient{}
	m := newMonitor(t, filepath.Join(t.TempDir(), "history.jsonl"), p.checkers)
	server := httptest.NewServer(m.Handler())
	defer server.Close()
	ask := func(path string, code int) string {
		t.Helper()
		response, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != code {
			t.Errorf("%s: %s, %v, want %d", path, response.Status, err, code)
		}
		return string(body)
	}
	ask("/", 503) // nobody knows yet
	ask("/none", 404)
	var health report.Health
	if err := json.Unmarshal([]byte(ask("/?fresh=true", 200)), &health); err != nil {
		t.Fatal(err)
	}
	health.Nodes[0].Checked = time.Time{}
	want := report.Health{Status: "running", Nodes: []report.NodeHealth{{
		Name: "192_168_121_245.example", Status: "running",
		MemberStatus: report.Member{
			Addr: "192.168.121.245:7496", Name: "192_168_121_245.example", Status: "alive",
			Tags: map[string]string{"publicip": "192.168.121.245", "role": "master", "nodename": "node-1"},
		},
		Probes: []report.Probe{{Checker: "dns", Status: "running"}, {Checker: "kubelet", Status: "running"}},
	}}}
	if diff := cmp.Diff(want, health); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	p.set(errors.New("nobody answers"))
	ask("/", 200) // of the last round
	if body := ask("/local?fresh=true", 503); !strings.Contains(body, `{"checker":"dns","error":"nobody answers","severity":"critical","status":"failed"}`) {
		t.Error(body)
	}
	if body := ask("/?checker=kubelet", 503); strings.Contains(body, `"checker":"dns"`) || !strings.Contains(body, `"checker":"kubelet"`) {
		t.Error(body)
	}
	if body := ask("/history", 200); !strings.Contains(body, `"type":"probe_failed","node":"node-1","checker":"dns","error":"nobody answers"`) {
		t.Error(body)
	}
	// Others may not make this node probe itself.
	request := httptest.NewRequest(http.MethodGet, "/?fresh=true", nil)
	request.RemoteAddr = "192.0.2.1:1234"
	p.set(nil)
	recorder := httptest.NewRecorder()
	m.Handler().ServeHTTP(recorder, request)
	if recorder.Code != http.StatusServiceUnavailable {
		t.Errorf("a stranger had the node probed: %d", recorder.Code)
	}
}

// TestServe asks an agent over TLS, as gravity status does, which must end when
// it is told to.
func TestServe(t *testing.T) {
	p := paths.Paths{Root: t.TempDir()}
	issue(t, p, time.Now())
	m := newMonitor(t, p.History(), (&patient{err: errors.New("down")}).checkers)
	listener := httptest.NewServer(nil) // to find a free port
	address := netip.MustParseAddrPort(listener.Listener.Addr().String())
	listener.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		Serve(ctx, m.Handler(), p, []netip.AddrPort{address}, m.Log)
	}()
	url := "https://" + address.String() + "/"
	var health report.Health
	var said told
	var err error
	for range 100 {
		if said, err = ask(t.Context(), p, url, &health); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil || health.Status != "degraded" || len(health.Nodes) != 1 || said.version == "" || said.date.IsZero() {
		t.Errorf("%+v, %+v, %v", health, said, err)
	}
	cancel()
	<-done
	if _, err := ask(t.Context(), p, url, &health); err == nil || !strings.Contains(err.Error(), "ask the agent") {
		t.Errorf("an agent that has ended: %v", err)
	}
}

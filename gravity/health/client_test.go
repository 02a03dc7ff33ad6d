package health

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

// TestAskNode wants the clock of another node to be compared with this one's, as far as
// a date in whole seconds tells.
func TestAskNode(t *testing.T) {
	p := paths.Paths{Root: t.TempDir()}
	issue(t, p, time.Now())
	pair, err := tls.LoadX509KeyPair(filepath.Join(p.Certificates(), "node.crt"), filepath.Join(p.Certificates(), "node.key"))
	if err != nil {
		t.Fatal(err)
	}
	var ahead, age time.Duration
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		now := time.Now().Add(ahead)
		w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
		answer(w, report.HealthRunning, report.NodeHealth{Name: "node-2", Checked: now.Add(-age), Probes: []report.Probe{}, Status: report.HealthRunning})
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	defer server.Close()
	for _, test := range []struct {
		ahead, age                time.Duration
		status, severity, problem string
	}{
		{0, 0, report.HealthRunning, "", ""},
		{2 * time.Second, 0, report.HealthRunning, "", ""},
		{-2 * time.Second, 0, report.HealthRunning, "", ""},
		{10 * time.Second, 0, report.HealthRunning, report.SeverityWarning, "ahead of"},
		{-10 * time.Second, 0, report.HealthRunning, report.SeverityWarning, "behind"},
		{time.Hour, 0, report.HealthDegraded, report.SeverityCritical, "ahead of"},
		{-time.Hour, 0, report.HealthDegraded, report.SeverityCritical, "behind"},
		{time.Hour, 3 * time.Minute, report.HealthUnknown, report.SeverityCritical, "ahead of"},
	} {
		ahead, age = test.ahead, test.age
		found, err := askNode(t.Context(), p, server.URL+"/local")
		if err != nil || len(found.Probes) == 0 || found.Name != "node-2" {
			t.Fatalf("%+v: %+v, %v", test, found, err)
		}
		drift := found.Probes[len(found.Probes)-1]
		if found.Status != test.status || drift.Checker != TimeDrift || drift.Severity != test.severity || !strings.Contains(drift.Error, test.problem) {
			t.Errorf("%+v: %+v", test, found)
		}
	}
}

// TestAhead takes what is not known of a date for no difference.
func TestAhead(t *testing.T) {
	sent := time.Date(2026, 11, 24, 12, 0, 0, 300_000_000, time.UTC)
	for _, test := range []struct{ date, took, want time.Duration }{
		{-300 * time.Millisecond, 0, 0},
		{700 * time.Millisecond, time.Second, 0},
		{3700 * time.Millisecond, time.Second, 2700 * time.Millisecond},
		{-3300 * time.Millisecond, time.Second, -2300 * time.Millisecond},
	} {
		found := told{date: sent.Add(test.date), sent: sent, received: sent.Add(test.took)}
		if got := found.ahead(); got != test.want {
			t.Errorf("%+v: %s", test, got)
		}
	}
}

// TestProblems names what degrades a node, and no warnings.
func TestProblems(t *testing.T) {
	probes := []report.Probe{
		{Checker: "kubelet", Status: report.HealthRunning},
		{Checker: "certificates", Status: report.HealthFailed, Severity: report.SeverityWarning, Error: "ends soon"},
	}
	if err := problems(report.NodeHealth{Status: StatusOf(probes), Probes: probes}); err != nil {
		t.Errorf("a warning: %v", err)
	}
	probes = append(probes,
		report.Probe{Checker: "dns", Status: report.HealthFailed, Severity: report.SeverityCritical, Error: "nobody answers"},
		report.Probe{Checker: "node-status", Status: report.HealthUnknown, Severity: report.SeverityCritical, Error: "refused"},
	)
	err := problems(report.NodeHealth{Status: StatusOf(probes), Probes: probes})
	if want := "this node is degraded: dns: nobody answers; node-status: refused"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

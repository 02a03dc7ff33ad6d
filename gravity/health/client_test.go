package health

import (
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

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

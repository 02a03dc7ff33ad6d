package report

import "time"

// The states of probes, nodes and clusters in Health.
const (
	HealthRunning  = "running"
	HealthFailed   = "failed"
	HealthUnknown  = "unknown"
	HealthDegraded = "degraded"
)

// The severities of probes that are not running.
const (
	// SeverityCritical degrades the node.
	SeverityCritical = "critical"
	// SeverityWarning does not.
	SeverityWarning = "warning"
)

// Health is what the agent answers at port 7575 (S32, S33).
type Health struct {
	// Nodes are sorted by name.
	Nodes []NodeHealth `json:"nodes"`
	// Status is running if all nodes are, otherwise degraded.
	Status string `json:"status"`
}

// NodeHealth is the health of a node.
type NodeHealth struct {
	MemberStatus Member `json:"member_status"`
	// Name is the node's address, with underscores, and the cluster's name.
	Name string `json:"name"`
	// Checked is when the probes were made; what is shown was true then.
	Checked time.Time `json:"checked,omitzero"`
	Probes  []Probe   `json:"probes"`
	// Status is running, degraded, or unknown before the first probe.
	Status string `json:"status"`
}

// Member is a node as the other nodes know it.
type Member struct {
	// Addr is ADDRESS:PORT of the membership service.
	Addr string `json:"addr"`
	Name string `json:"name"`
	// Status is alive, leaving, left or failed.
	Status string `json:"status"`
	// Tags are publicip, role (master or node) and nodename, the node's name in
	// Kubernetes.
	Tags map[string]string `json:"tags"`
}

// Probe is what a checker found.
type Probe struct {
	// Checker is the checker's name.
	Checker string `json:"checker"`
	// Detail has figures, or what is known besides the error.
	Detail string `json:"detail,omitempty"`
	// Error is why the probe is not running.
	Error string `json:"error,omitempty"`
	// Severity is critical or warning; empty for a probe that is running.
	Severity string `json:"severity,omitempty"`
	// Status is running or failed, or unknown if it could not be checked.
	Status string `json:"status"`
}

// Degrades tells whether a node with this probe is degraded.
func (p Probe) Degrades() bool { return p.Status != HealthRunning && p.Severity != SeverityWarning }

// History is what the agent answers at /history, and what
// `gravity status history` prints (S35).
type History struct {
	// Events are in the order of time.
	Events []HealthEvent `json:"events"`
}

// HealthEvent is a change of the health of a probe, a node or the cluster.
type HealthEvent struct {
	Time time.Time `json:"time"`
	// Type is node_degraded, node_recovered, probe_failed, probe_succeeded,
	// cluster_degraded, cluster_recovered, node_added, node_removed or
	// leader_elected.
	Type string `json:"type"`
	// Node is the node's name in Kubernetes; empty for the cluster's events.
	Node string `json:"node,omitempty"`
	// Checker is the probe's.
	Checker string `json:"checker,omitempty"`
	// Error is why.
	Error string `json:"error,omitempty"`
}

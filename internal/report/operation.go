package report

// Operation is what commands print that change how an operation goes on.
type Operation struct {
	// ID is empty where a machine was only cleaned, which needs no operation.
	ID string `json:"id"`
	// Type is operation_install, operation_update, …
	Type    string `json:"type"`
	Cluster string `json:"cluster"`
	// State is in_progress, completed or failed.
	State string `json:"state"`
}

// PhaseProgress is an object {"phase":…} on standard error: a phase of an
// operation began or ended.
type PhaseProgress struct {
	OperationID string `json:"operationId"`
	Phase       string `json:"phase"`
	Description string `json:"description,omitempty"`
	// Action is execute or rollback.
	Action string `json:"action"`
	// State is in_progress when the phase begins, then completed, failed or
	// rolled_back.
	State string `json:"state"`
	// Index counts the phases of the plan from 1 to Total.
	Index int `json:"index"`
	Total int `json:"total"`
	// Node is where the phase is done; empty for this node.
	Node string `json:"node,omitempty"`
	// Seconds is how long the phase took, when it ends.
	Seconds float64 `json:"seconds,omitempty"`
	Error   string  `json:"error,omitempty"`
	// DryRun tells that nothing is done.
	DryRun bool `json:"dryRun,omitempty"`
}

// Message is an object {"message":…} on standard error: what a person would read
// there as a line.
type Message struct {
	// Level is debug, info, warning or error.
	Level   string            `json:"level"`
	Text    string            `json:"text"`
	Details map[string]string `json:"details,omitempty"`
}

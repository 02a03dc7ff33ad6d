package operation

import "time"

// Action is what is done with a phase.
type Action string

// The actions.
const (
	ActionExecute  Action = "execute"
	ActionRollback Action = "rollback"
)

// Event tells how an operation goes on. An engine tells one event at a time.
type Event struct {
	Action Action
	// Phase is a leaf as the plan has it, without a state.
	Phase Phase
	// Index counts the leaves of the plan from 1 to Total.
	Index, Total int
	// Server is where the phase is done; nil means on this node.
	Server *Server
	// State is in_progress when the phase begins, and what it came to when it
	// ends. A check that fails before or after the phase ends it with failed,
	// whatever is stored.
	State State
	// Elapsed is how long it took, when the phase ends.
	Elapsed time.Duration
	// Err is why the phase failed.
	Err error
	// DryRun tells that nothing is done.
	DryRun bool
}

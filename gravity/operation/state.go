package operation

import (
	"slices"
	"time"
)

// State says how far a phase is.
type State string

// The states of phases. Operations are in progress, completed or failed.
const (
	Unstarted  State = "unstarted"
	InProgress State = "in_progress"
	Completed  State = "completed"
	Failed     State = "failed"
	RolledBack State = "rolled_back"
)

// String is the state as people read it.
func (s State) String() string {
	switch s {
	case Unstarted:
		return "Unstarted"
	case InProgress:
		return "In Progress"
	case Completed:
		return "Completed"
	case Failed:
		return "Failed"
	case RolledBack:
		return "Rolled Back"
	}
	return "Unknown"
}

// Valid tells whether the state is one of the constants.
func (s State) Valid() bool { return s.String() != "Unknown" }

// Resolve returns a copy of the plan in which each phase has its state, and when
// and why it was reached. Entries are in the order of Merge; those about phases
// that the plan does not have are ignored.
func Resolve(plan *Plan, entries []Entry) *Plan {
	last := map[string]*Entry{}
	for i := range entries {
		last[entries[i].PhaseID] = &entries[i]
	}
	resolved := *plan
	resolved.Phases = resolvePhases(plan.Phases, last)
	resolved.Servers = slices.Concat([]Server{}, plan.Servers) // never null
	return &resolved
}

func resolvePhases(phases []Phase, last map[string]*Entry) []Phase {
	resolved := make([]Phase, len(phases))
	for i, phase := range phases {
		phase.State, phase.Updated, phase.Error = Unstarted, time.Time{}, nil
		if !phase.Leaf() {
			phase.Phases = resolvePhases(phase.Phases, last)
			phase.State, phase.Updated = composite(phase.Phases)
		} else if entry := last[phase.ID]; entry != nil {
			phase.State, phase.Updated, phase.Error = entry.NewState, entry.Created, entry.Error
		}
		resolved[i] = phase
	}
	return resolved
}

// State is that of all phases taken together.
func (p *Plan) State() State {
	state, _ := composite(p.Phases)
	return state
}

// composite is the state of a phase that consists of phases, and when the last
// of them changed.
func composite(phases []Phase) (State, time.Time) {
	if len(phases) == 0 {
		return Completed, time.Time{}
	}
	var updated time.Time
	count := map[State]int{}
	for _, phase := range phases {
		count[phase.State]++
		if phase.Updated.After(updated) {
			updated = phase.Updated
		}
	}
	switch first := phases[0].State; {
	case count[first] == len(phases):
		return first, updated
	case count[Failed] > 0:
		return Failed, updated
	case count[InProgress] > 0:
		return InProgress, updated
	case count[Completed] == 0 && count[RolledBack] > 0:
		return RolledBack, updated
	default:
		return InProgress, updated
	}
}

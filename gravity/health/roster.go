package health

import (
	"log/slog"
	"slices"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

// Roster records which nodes come and go, and which of the masters leads, as this
// master sees it (S35). What changes while its agent does not run is not recorded.
type Roster struct {
	History *History
	// Log receives what cannot be recorded.
	Log *slog.Logger

	known bool
	nodes []string
}

// Nodes takes the names of all nodes. The first time they are what there was before.
// It is not for two goroutines at once.
func (r *Roster) Nodes(names []string) {
	if r.known {
		r.record(NodeAdded, names, r.nodes)
		r.record(NodeRemoved, r.nodes, names)
	}
	r.known, r.nodes = true, slices.Sorted(slices.Values(names))
}

// Leader takes the name of the master that leads. The same one as the history says
// is no news.
func (r *Roster) Leader(name string) {
	events, err := ReadHistory(r.History.file)
	if err != nil {
		r.Log.Warn("cannot record the leader", "error", err)
		return
	}
	for _, event := range slices.Backward(events) {
		if event.Type == LeaderElected {
			r.record(LeaderElected, []string{name}, []string{event.Node})
			return
		}
	}
	r.record(LeaderElected, []string{name}, nil)
}

// record appends an event for each name that is not among others.
func (r *Roster) record(kind string, names, others []string) {
	var events []report.HealthEvent
	for _, name := range names {
		if !slices.Contains(others, name) {
			events = append(events, report.HealthEvent{Time: time.Now().UTC().Truncate(time.Second), Type: kind, Node: name})
		}
	}
	if err := r.History.Append(events...); err != nil {
		r.Log.Warn("cannot record changes", "error", err)
	}
}

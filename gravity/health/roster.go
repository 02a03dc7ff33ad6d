package health

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

// Roster records which nodes come and go, and which of the masters leads, as this
// master sees it (S35). What changed while its agent did not run is recorded when
// it runs again.
type Roster struct {
	// File keeps the nodes that there were last, a JSON list of names.
	File    string
	History *History
	// Log receives what cannot be recorded.
	Log *slog.Logger
}

// maxRoster bounds the file of nodes, in bytes.
const maxRoster = 1 << 20

// Nodes takes the names of all nodes. Without a file they are what there was before.
// It is not for two goroutines at once.
func (r *Roster) Nodes(names []string) {
	names = slices.Sorted(slices.Values(names))
	before, err := r.read()
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		r.Log.Warn("the nodes that there were are unknown", "error", err)
	case slices.Equal(names, before):
		return
	default:
		if err := errors.Join(r.record(NodeAdded, names, before), r.record(NodeRemoved, before, names)); err != nil {
			r.Log.Warn("cannot record which nodes came and went", "error", err)
			return // it is tried again
		}
	}
	content, err := json.Marshal(names)
	if err == nil {
		err = paths.WriteFile(r.File, content, 0o600)
	}
	if err != nil {
		r.Log.Warn("cannot keep which nodes there are", "error", err)
	}
}

func (r *Roster) read() ([]string, error) {
	file, err := os.Open(r.File)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxRoster))
	if err != nil {
		return nil, err
	}
	var names []string
	if err := json.Unmarshal(content, &names); err != nil {
		return nil, fmt.Errorf("%s: %w", r.File, err)
	}
	return names, nil
}

// Leader takes the name of the master that leads. The same one as the history says
// is no news.
func (r *Roster) Leader(name string) {
	var before []string
	events, err := ReadHistory(r.History.file)
	for _, event := range slices.Backward(events) {
		if event.Type == LeaderElected {
			before = []string{event.Node}
			break
		}
	}
	if err == nil {
		err = r.record(LeaderElected, []string{name}, before)
	}
	if err != nil {
		r.Log.Warn("cannot record the leader", "error", err)
	}
}

// record appends an event for each name that is not among others.
func (r *Roster) record(kind string, names, others []string) error {
	var events []report.HealthEvent
	for _, name := range names {
		if !slices.Contains(others, name) {
			events = append(events, report.HealthEvent{Time: time.Now().UTC().Truncate(time.Second), Type: kind, Node: name})
		}
	}
	return r.History.Append(events...)
}

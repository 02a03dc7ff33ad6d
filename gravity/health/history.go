package health

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

// The types of events.
const (
	NodeDegraded     = "node_degraded"
	NodeRecovered    = "node_recovered"
	ProbeFailed      = "probe_failed"
	ProbeSucceeded   = "probe_succeeded"
	ClusterDegraded  = "cluster_degraded"
	ClusterRecovered = "cluster_recovered"
	NodeAdded        = "node_added"
	NodeRemoved      = "node_removed"
	LeaderElected    = "leader_elected"
)

const (
	// retention is how long events are kept (S36).
	retention = 7 * 24 * time.Hour
	// maxEvents and maxHistory bound the file, which is cut to half of the
	// events when it has more.
	maxEvents  = 20_000
	maxHistory = 16 << 20
)

// History keeps events in a file: one JSON object a line, only appended to but
// for what is too old. One process writes; any may read.
type History struct {
	file string
	now  func() time.Time

	mu    sync.Mutex
	count int // of events in the file, as far as known
}

// OpenHistory opens the history of a file, which may be missing, and drops what
// is too old. The history can be used even if that fails.
func OpenHistory(file string) (*History, error) { return openHistory(file, time.Now) }

func openHistory(file string, now func() time.Time) (*History, error) {
	h := &History{file: file, now: now}
	events, err := ReadHistory(file)
	if err != nil {
		return h, err
	}
	return h, h.prune(events)
}

// Append adds events. When it returns nil they survive a loss of power.
func (h *History) Append(events ...report.HealthEvent) error {
	if len(events) == 0 {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	// A process that was killed may have left a line without an end.
	content := []byte("\n")
	for _, event := range events {
		line, err := json.Marshal(event)
		if err != nil {
			return err
		}
		content = append(append(content, line...), '\n')
	}
	if err := h.write(content); err != nil {
		return fmt.Errorf("history of health: %w", err)
	}
	if h.count += len(events); h.count <= maxEvents {
		return nil
	}
	all, err := ReadHistory(h.file)
	if err != nil {
		return err
	}
	return h.prune(all[max(0, len(all)-maxEvents/2):])
}

func (h *History) write(content []byte) error {
	if err := os.MkdirAll(filepath.Dir(h.file), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(h.file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return errors.Join(err, file.Sync(), file.Close())
}

// prune replaces the file by the given events that are not too old.
func (h *History) prune(events []report.HealthEvent) error {
	oldest := h.now().Add(-retention)
	kept := slices.DeleteFunc(slices.Clone(events), func(event report.HealthEvent) bool { return event.Time.Before(oldest) })
	h.count = len(kept)
	var content bytes.Buffer
	for _, event := range kept {
		line, err := json.Marshal(event)
		if err != nil {
			return err
		}
		content.Write(append(line, '\n'))
	}
	if _, err := os.Stat(h.file); errors.Is(err, fs.ErrNotExist) && len(kept) == 0 {
		return nil
	}
	return paths.WriteFile(h.file, content.Bytes(), 0o600)
}

// ReadHistory reads the events of a file, in the order of time. Lines that
// cannot be read are left out: they were cut short by a loss of power.
func ReadHistory(file string) ([]report.HealthEvent, error) {
	content, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("history of health: %w", err)
	}
	defer content.Close()
	data, err := io.ReadAll(io.LimitReader(content, maxHistory))
	if err != nil {
		return nil, fmt.Errorf("history of health: %w", err)
	}
	return parseHistory(data), nil
}

func parseHistory(data []byte) []report.HealthEvent {
	var events []report.HealthEvent
	for line := range bytes.Lines(data) {
		var event report.HealthEvent
		if err := json.Unmarshal(line, &event); err == nil && event.Type != "" && !event.Time.IsZero() {
			events = append(events, event)
		}
	}
	slices.SortStableFunc(events, func(a, b report.HealthEvent) int { return a.Time.Compare(b.Time) })
	return events
}

// failing is what the last events of a node say: checkers that fail, and under
// an empty name whether the node is degraded.
func failing(events []report.HealthEvent, node string) map[string]bool {
	state := make(map[string]bool)
	for _, event := range events {
		if event.Node != node {
			continue
		}
		switch event.Type {
		case NodeDegraded, NodeRecovered:
			state[""] = event.Type == NodeDegraded
		case ProbeFailed, ProbeSucceeded:
			state[event.Checker] = event.Type == ProbeFailed
		}
	}
	return state
}

package display

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
)

// tailFormat is the date of a line, in UTC.
const tailFormat = "Mon Jan _2 15:04:05 UTC"

// Tail writes a line for each change of state, those of the past first, until
// all phases are completed or rolled back, or nothing goes on after a phase
// failed: that phase's error is then returned. It looks for news every interval.
func Tail(ctx context.Context, w io.Writer, store operation.Store, operationID string, interval time.Duration) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	seen := map[string]bool{}
	for {
		stored, err := store.Read(ctx, operationID)
		if err != nil {
			return fmt.Errorf("operation %s: %w", operationID, err)
		}
		if err := news(w, stored, seen); err != nil {
			return err
		}
		if over, err := ended(w, stored); over || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

func news(w io.Writer, stored *operation.Operation, seen map[string]bool) error {
	total := len(stored.Plan.Leaves())
	for _, entry := range stored.Entries {
		if seen[entry.ID] || entry.PhaseID == operation.OperationPhase {
			continue
		}
		seen[entry.ID] = true
		_, err := fmt.Fprintf(w, "%s\t[%3d/%3d] Phase %s is %s\n", entry.Created.UTC().Format(tailFormat),
			entry.PhaseIndex, total, entry.PhaseID, string(entry.NewState))
		if err != nil {
			return err
		}
	}
	return nil
}

// ended tells whether nothing more is to come.
func ended(w io.Writer, stored *operation.Operation) (bool, error) {
	plan := stored.Resolve()
	switch plan.State() {
	case operation.Completed:
		_, err := fmt.Fprintln(w, "Operation plan is completed")
		return true, err
	case operation.RolledBack:
		_, err := fmt.Fprintln(w, "Operation plan is rolled back")
		return true, err
	}
	var failed *operation.Phase
	for _, phase := range plan.Leaves() {
		if phase.State == operation.InProgress && stored.Active() {
			return false, nil
		}
		if phase.State == operation.Failed && failed == nil {
			failed = &phase
		}
	}
	switch {
	case failed != nil && failed.Error != nil:
		return true, fmt.Errorf("phase %q: %s", failed.ID, strings.Join(lines(failed.Error), "\n"))
	case failed != nil:
		return true, fmt.Errorf("phase %q has failed", failed.ID)
	case !stored.Active():
		return true, fmt.Errorf("operation %s is %s", plan.OperationID, string(stored.State()))
	}
	return false, nil
}

package display

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// tailFormat is the date of a line, in UTC.
const tailFormat = "Mon Jan _2 15:04:05 UTC"

// Source is where Tail finds an operation. Its methods may be called while the
// operation is executed.
type Source interface {
	// Read returns an operation as it is now.
	Read(ctx context.Context, operationID string) (*operation.Operation, error)
	// Executed tells whether a process executes it.
	Executed(ctx context.Context, operationID string) (bool, error)
}

// patience is how many intervals may pass between two phases with nobody who
// executes the operation: a person may execute one after the other.
const patience = 30

// Tail writes a line for each change of state, those of the past first, until
// all phases are completed or rolled back, or nothing goes on: after a phase
// failed its error is returned, and else that nobody executes the operation any
// more. It looks for news every interval. For the first phase it waits as long
// as that takes.
func Tail(ctx context.Context, w io.Writer, source Source, operationID string, interval time.Duration) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	seen, idle := map[string]bool{}, 0
	for {
		// Asked before it is read: what the process wrote last is seen then.
		executed, err := source.Executed(ctx, operationID)
		if err != nil {
			return fmt.Errorf("operation %s: %w", operationID, err)
		}
		stored, err := source.Read(ctx, operationID)
		if err != nil {
			return fmt.Errorf("operation %s: %w", operationID, err)
		}
		known := len(seen)
		if err := news(w, stored, seen); err != nil {
			return err
		}
		if over, err := ended(w, stored); over || err != nil {
			return err
		}
		if idle++; executed || len(seen) > known {
			idle = 0
		}
		if err := abandoned(stored, executed, idle >= patience); err != nil {
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

// abandoned says that nobody executes an operation, and where it stopped.
func abandoned(stored *operation.Operation, executed, waited bool) error {
	if executed || len(stored.Entries) == 0 {
		return nil
	}
	where := ""
	for _, phase := range stored.Resolve().Leaves() {
		if phase.State == operation.InProgress {
			where = fmt.Sprintf(": phase %q is in progress", phase.ID)
		}
	}
	if where == "" && !waited {
		return nil
	}
	id := stored.Plan.OperationID
	return cli.WithHint(fmt.Errorf("nobody executes operation %s any more%s", id, where), "go on with 'gravity plan resume --operation-id=%s'", id)
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

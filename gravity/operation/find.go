package operation

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// State is that of the operation as a whole: in progress, or what it was
// completed with.
func (o *Operation) State() State {
	state := InProgress
	for _, entry := range o.Entries {
		if entry.PhaseID == OperationPhase {
			state = entry.NewState
		}
	}
	return state
}

// Active tells whether the operation can still be executed or rolled back.
func (o *Operation) Active() bool { return o.State() == InProgress }

// Resolve returns the plan with the states that phases have.
func (o *Operation) Resolve() *Plan { return Resolve(o.Plan, o.Entries) }

// All reads all operations of a store, oldest first.
func All(ctx context.Context, store Store) ([]*Operation, error) {
	ids, err := store.List(ctx)
	if err != nil {
		return nil, err
	}
	var all []*Operation
	for _, id := range ids {
		found, err := store.Read(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("operation %s: %w", id, err)
		}
		all = append(all, found)
	}
	slices.SortFunc(all, func(a, b *Operation) int {
		if c := a.Plan.CreatedAt.Compare(b.Plan.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(a.Plan.OperationID, b.Plan.OperationID)
	})
	return all, nil
}

package operation

import (
	"context"
	"errors"
	"time"
)

// What stores answer; test with errors.Is.
var (
	// ErrNotFound is about an operation that the store does not have.
	ErrNotFound = errors.New("no such operation")
	// ErrExists is about an operation that is created twice.
	ErrExists = errors.New("operation exists already")
	// ErrLocked is about an operation that another process executes.
	ErrLocked = errors.New("operation is being executed by another process")
)

// Store keeps operations: plans, which never change, and changelogs, which only
// grow. All methods may be called at the same time, by several processes.
type Store interface {
	// Create stores the plan of a new operation, all of it or nothing; when it
	// returns the plan survives a loss of power. ErrExists if the operation
	// exists already.
	Create(ctx context.Context, plan *Plan) error
	// List returns the IDs of all operations, in no particular order.
	List(ctx context.Context) ([]string, error)
	// Read returns an operation as it is now, its changelog in order, also while
	// it is executed. ErrNotFound if there is none.
	Read(ctx context.Context, operationID string) (*Operation, error)
	// Open gives the changelog of an operation to this process until the journal
	// is closed or the process ends. ErrLocked if another one has it.
	Open(ctx context.Context, operationID string) (Journal, error)
}

// Journal writes to the changelog of one operation. One goroutine at a time uses
// it.
type Journal interface {
	// Append adds an entry. When it returns nil the entry survives a loss of
	// power; when it returns an error nobody knows whether it will be read.
	Append(ctx context.Context, entry Entry) error
	// Close lets others open the changelog.
	Close() error
}

// Operation is all that is stored of an operation.
type Operation struct {
	Plan *Plan
	// Entries is the changelog in the order of Merge.
	Entries []Entry
}

// Entry is one change of state.
type Entry struct {
	// ID is unique among all entries of all operations.
	ID string `json:"id"`
	// Epoch grows with each process that starts to execute, and Sequence with
	// each entry of an epoch. They order entries; clocks do not.
	Epoch    uint64 `json:"epoch"`
	Sequence uint64 `json:"sequence"`
	// ClusterName and OperationID are the plan's.
	ClusterName string `json:"cluster_name"`
	OperationID string `json:"operation_id"`
	// PhaseID is that of a leaf; "/" is the operation as a whole, which is
	// completed or failed when nothing may change any more.
	PhaseID string `json:"phase_id"`
	// PhaseIndex counts the leaves of the plan from 1; 0 for the operation.
	PhaseIndex int `json:"phase_index"`
	// NewState is the state since this entry.
	NewState State `json:"new_state"`
	// Rollback tells that the phase is, or was, being rolled back.
	Rollback bool `json:"rollback,omitempty"`
	// Created is when the entry was made. It is only displayed.
	Created time.Time `json:"created"`
	// Error is why the state is failed.
	Error *Failure `json:"error,omitempty"`
}

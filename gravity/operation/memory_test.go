package operation_test

import (
	"context"
	"slices"
	"sync"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
)

// memory is a store for one operation that is quick and survives nothing.
type memory struct {
	plan *operation.Plan

	mu      sync.Mutex
	entries []operation.Entry
	open    bool
	// broken is what appending fails with.
	broken error
}

func (m *memory) Create(_ context.Context, plan *operation.Plan) error {
	m.plan = plan
	return plan.Validate()
}

func (m *memory) List(context.Context) ([]string, error) {
	return []string{m.plan.OperationID}, nil
}

func (m *memory) Read(context.Context, string) (*operation.Operation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &operation.Operation{Plan: m.plan, Entries: operation.Merge(slices.Clone(m.entries), nil)}, nil
}

func (m *memory) Open(context.Context, string) (operation.Journal, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open {
		return nil, operation.ErrLocked
	}
	m.open = true
	return m, nil
}

func (m *memory) Append(_ context.Context, entry operation.Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return m.broken
	}
	m.entries = append(m.entries, entry)
	return nil
}

func (m *memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open = false
	return nil
}

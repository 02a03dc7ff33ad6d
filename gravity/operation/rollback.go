package operation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Rollback rolls back a phase, and all phases in it from the last to the first,
// as far as they were executed (S52). Phases that depend on it must have been
// rolled back before, unless forced. The ID "/" rolls back all phases.
func (e *Engine) Rollback(ctx context.Context, phaseID string, force bool) error {
	n, err := e.tree.find(phaseID)
	if err != nil {
		return err
	}
	if err := e.rollbackable(); err != nil {
		return err
	}
	switch state, _ := e.state(n); state {
	case Unstarted:
		return fmt.Errorf("phase %q hasn't been executed yet", phaseID)
	case RolledBack:
		return fmt.Errorf("phase %q has already been rolled back", phaseID)
	}
	if dependents := e.dependents(n); len(dependents) > 0 && !force {
		return fmt.Errorf("Phase %s cannot be rolled back because some phases that depend on it haven't been rolled back yet. "+ //nolint:staticcheck // the words users know
			"Please rollback the following phases first:\n\n\t%s\n\n"+
			"You can pass --force flag to override this check and force phase %s rollback.",
			phaseID, strings.Join(dependents, "\n\t"), phaseID)
	}
	return e.rollback(ctx, n, false)
}

// RollbackAll rolls back all that was executed, from the last phase to the
// first (S57). A dry run only tells the events. The operation still has to be
// completed.
func (e *Engine) RollbackAll(ctx context.Context, dryRun bool) error {
	if err := e.rollbackable(); err != nil {
		return err
	}
	return e.rollback(ctx, e.tree.root, dryRun)
}

func (e *Engine) rollbackable() error {
	if e.plan.OperationType == TypeGC {
		return fmt.Errorf("operation type %q does not support plan rollback", e.plan.OperationType)
	}
	return e.unfinished()
}

// dependents are the leaves outside of the phase that were executed and require
// it, a phase around it or one in it; last ones first, as they have to be rolled
// back.
func (e *Engine) dependents(n *node) []string {
	var found []string
	for _, leaf := range slices.Backward(e.tree.leaves) {
		if n.contains(leaf) || !e.rollsBack(leaf) {
			continue
		}
		for around := leaf; around != nil && !around.contains(n); around = around.parent {
			if slices.ContainsFunc(around.phase.Requires, func(id string) bool {
				required := e.tree.nodes[id]
				return n.contains(required) || required.contains(n)
			}) {
				found = append(found, leaf.phase.ID)
				break
			}
		}
	}
	return found
}

// rollsBack tells whether there is anything to roll back.
func (e *Engine) rollsBack(n *node) bool {
	state, _ := e.state(n)
	return state != Unstarted && state != RolledBack
}

func (e *Engine) rollback(ctx context.Context, n *node, dryRun bool) error {
	if !e.rollsBack(n) {
		return nil
	}
	if n.phase.Leaf() {
		return e.rollbackLeaf(ctx, n, dryRun)
	}
	for _, child := range slices.Backward(n.children) {
		if err := e.rollback(ctx, child, dryRun); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) rollbackLeaf(ctx context.Context, n *node, dryRun bool) error {
	if dryRun {
		event := e.event(n, ActionRollback)
		event.DryRun, event.State = true, InProgress
		e.observe(event)
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("roll back phase %q: %w", n.phase.ID, context.Cause(ctx))
	}
	ctx, cancel := e.limit(ctx)
	defer cancel()
	executor, event, err := e.executor(ctx, n, ActionRollback)
	if err != nil {
		return err
	}
	started := time.Now()
	event.State = InProgress
	e.observe(event)
	err = e.undo(ctx, n, executor)
	event.Elapsed, event.State = time.Since(started), RolledBack
	if err != nil {
		event.State, event.Err = Failed, err
		err = fmt.Errorf("roll back phase %q: %w", n.phase.ID, err)
	}
	e.observe(event)
	return err
}

func (e *Engine) undo(ctx context.Context, n *node, executor Executor) error {
	if err := e.record(ctx, n, InProgress, true, nil); err != nil {
		return err
	}
	if err := executor.Rollback(ctx); err != nil {
		err = explain(ctx, err)
		return errors.Join(err, e.record(ctx, n, Failed, true, err))
	}
	return e.record(ctx, n, RolledBack, true, nil)
}

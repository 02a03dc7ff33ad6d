package operation

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// mode is how phases are executed.
type mode struct {
	// force executes a leaf whatever its state is and whatever it requires.
	force bool
	// resume executes again what was in progress.
	resume bool
	// around checks also what the phases around the phase require. Phases in it
	// need not check that again: what has completed stays so.
	around bool
}

// Execute executes a phase and all phases in it. What has completed stays as it
// is, unless forced; only leaves can be (S50, S51). The ID "/" resumes.
func (e *Engine) Execute(ctx context.Context, phaseID string, force bool) error {
	n, err := e.tree.find(phaseID)
	if err != nil {
		return err
	}
	if force && !n.phase.Leaf() {
		return fmt.Errorf("cannot use force with composite phase %q, please only use --force on a single phase", phaseID)
	}
	if n == e.tree.root {
		return e.Resume(ctx)
	}
	if err := e.unfinished(); err != nil {
		return err
	}
	return e.execute(ctx, n, mode{force: force, around: true})
}

// Resume executes all that has not completed, also what failed or was in
// progress when its process died, and then completes the operation (S54).
func (e *Engine) Resume(ctx context.Context) error {
	if err := e.unfinished(); err != nil {
		return err
	}
	if lead := e.plan.LeadMaster; lead != nil && !e.config.Local(*lead) {
		return fmt.Errorf("operation %s can only be resumed on the node that coordinates it, %s (%s)",
			e.plan.OperationID, lead.Hostname, lead.AdvertiseIP)
	}
	if err := e.execute(ctx, e.tree.root, mode{resume: true}); err != nil {
		return err
	}
	_, err := e.Complete(ctx)
	return err
}

func (e *Engine) execute(ctx context.Context, n *node, m mode) error {
	state, _ := e.state(n)
	if state == Completed && !m.force {
		return nil
	}
	if state == InProgress && n.phase.Leaf() && !m.force && !m.resume {
		return fmt.Errorf("phase %q is in progress, use --force flag to force execution", n.phase.ID)
	}
	if !m.force {
		if err := e.prerequisites(n, m.around); err != nil {
			return err
		}
	}
	m.around = false
	switch {
	case n.phase.Leaf():
		return e.executeLeaf(ctx, n, m)
	case n.phase.LimitParallel > 1:
		return e.executeParallel(ctx, n.children, n.phase.LimitParallel, m)
	}
	for _, child := range n.children {
		if err := e.execute(ctx, child, m); err != nil {
			return err
		}
	}
	return nil
}

// prerequisites checks what the phase requires, and perhaps what the phases
// around it do.
func (e *Engine) prerequisites(n *node, around bool) error {
	for ; n != nil; n = n.parent {
		for _, id := range n.phase.Requires {
			required, err := e.tree.find(id)
			if err != nil {
				return fmt.Errorf("phase %q: required %w", n.phase.ID, err)
			}
			if state, _ := e.state(required); state != Completed {
				return fmt.Errorf("required phase %q is not completed", id)
			}
		}
		if !around {
			break
		}
	}
	return nil
}

// executeLeaf takes one phase from whatever state it is in to completed, or to
// failed. An interruption is a failure, too: this process is still there to say
// that it stopped, and the phase is executed again without force.
func (e *Engine) executeLeaf(ctx context.Context, n *node, m mode) error {
	if ctx.Err() != nil {
		return fmt.Errorf("execute phase %q: %w", n.phase.ID, context.Cause(ctx))
	}
	ctx, cancel := e.limit(ctx)
	defer cancel()
	executor, event, err := e.executor(ctx, n, ActionExecute)
	if err != nil {
		return err
	}
	started := time.Now()
	event.State = InProgress
	e.observe(event)
	err = e.runLeaf(ctx, n, executor, m)
	event.Elapsed, event.State = time.Since(started), Completed
	if err != nil {
		event.State, event.Err = Failed, err
		err = fmt.Errorf("execute phase %q: %w", n.phase.ID, err)
	}
	e.observe(event)
	return err
}

func (e *Engine) runLeaf(ctx context.Context, n *node, executor Executor, m mode) error {
	if m.force || !e.done(ctx, n, executor) {
		if checker, ok := executor.(PreChecker); ok {
			if err := checker.PreCheck(ctx); err != nil {
				return explain(ctx, err)
			}
		}
		if err := e.record(ctx, n, InProgress, false, nil); err != nil {
			return err
		}
		if err := executor.Execute(ctx); err != nil {
			err = explain(ctx, err)
			return errors.Join(err, e.record(ctx, n, Failed, false, err))
		}
	}
	if checker, ok := executor.(PostChecker); ok {
		if err := checker.PostCheck(ctx); err != nil {
			return explain(ctx, err)
		}
	}
	return e.record(ctx, n, Completed, false, nil)
}

// done tells whether a process that died had done the phase, but not stored
// that. An executor that cannot tell is executed again.
func (e *Engine) done(ctx context.Context, n *node, executor Executor) bool {
	if state, rollback := e.state(n); state != InProgress || rollback {
		return false
	}
	done, err := executor.Done(ctx)
	if err != nil {
		e.config.Log.Warn("Cannot tell whether the phase is done; it is executed again.", "phase", n.phase.ID, "error", err)
		return false
	}
	return done
}

// errTooLong is why the context of a phase ended.
type errTooLong struct{ limit time.Duration }

func (e errTooLong) Error() string { return fmt.Sprintf("not done after %v", e.limit) }

func (e *Engine) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, e.config.Timeout, errTooLong{e.config.Timeout})
}

// explain says why a phase failed whose context has ended.
func explain(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	if late, ok := errors.AsType[errTooLong](context.Cause(ctx)); ok {
		return fmt.Errorf("%w: %w", late, err)
	}
	if errors.Is(err, cli.ErrInterrupted) || strings.HasPrefix(err.Error(), cli.ErrInterrupted.Error()+": ") {
		return err // the agent of another node said so
	}
	return fmt.Errorf("%w: %w", cli.ErrInterrupted, err)
}

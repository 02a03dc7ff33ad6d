package operation

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// executeParallel executes phases of a group, a limited number at a time. A
// phase begins when those before it in the group that it requires have
// completed. If a phase fails the others still begin, so that the errors of all
// nodes are known at once; only what requires it does not. When the context
// ends nothing begins any more. It returns when all that began has ended.
func (e *Engine) executeParallel(ctx context.Context, group []*node, limit int, m mode) error {
	type result struct {
		node *node
		err  error
	}
	results := make(chan result)
	waiting, running := slices.Clone(group), 0
	ended := map[*node]bool{}             // true if completed
	problems := make([]error, len(group)) // in the order of the plan
	for {
		for running < limit && ctx.Err() == nil {
			next := slices.IndexFunc(waiting, func(n *node) bool { return e.ready(n, ended) })
			if next < 0 {
				break
			}
			n := waiting[next]
			waiting = slices.Delete(waiting, next, next+1)
			running++
			go func() { results <- result{n, e.execute(ctx, n, m)} }()
		}
		if running == 0 {
			break
		}
		got := <-results
		running--
		ended[got.node] = got.err == nil
		problems[slices.Index(group, got.node)] = got.err
	}
	err := errors.Join(problems...)
	if err == nil && len(waiting) > 0 {
		err = fmt.Errorf("execute phase %q: %w", waiting[0].phase.ID, context.Cause(ctx))
	}
	return err
}

// ready tells whether all other phases of its group have completed that the
// phase, or one in it, requires.
func (e *Engine) ready(n *node, ended map[*node]bool) bool {
	ready := true
	n.each(func(inner *node) {
		for _, id := range inner.phase.Requires {
			required := e.tree.nodes[id]
			for required != nil && required.parent != n.parent {
				required = required.parent
			}
			if required != nil && required != n && !ended[required] {
				ready = false
			}
		}
	})
	return ready
}

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
	ended := map[*node]bool{} // true if completed
	var problems []error
	for {
		for running < limit && ctx.Err() == nil {
			next := slices.IndexFunc(waiting, func(n *node) bool { return e.ready(n, group, ended) })
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
		if got.err != nil {
			problems = append(problems, got.err)
		}
	}
	if len(waiting) > 0 && len(problems) == 0 {
		problems = append(problems, fmt.Errorf("execute phase %q: %w", waiting[0].phase.ID, context.Cause(ctx)))
	}
	return errors.Join(problems...)
}

// ready tells whether all phases of the group have completed that the phase, or
// one in it, requires.
func (e *Engine) ready(n *node, group []*node, ended map[*node]bool) bool {
	ready := true
	n.each(func(inner *node) {
		for _, id := range inner.phase.Requires {
			required := e.tree.nodes[id]
			for _, sibling := range group {
				if sibling != n && sibling.contains(required) && !ended[sibling] {
					ready = false
				}
			}
		}
	})
	return ready
}

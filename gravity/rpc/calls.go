package rpc

import (
	"context"
	"errors"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
)

const (
	// maxRuns is how many calls do something at the same time; others wait.
	maxRuns = 8
	// maxEnded is how many results are kept for callers that lost the connection.
	maxEnded = 64
	// maxLines is how many lines of a log are kept.
	maxLines = 500
)

// calls are what the agent does for others.
type calls struct {
	ctx   context.Context //nolint:containedctx // the agent's own, that of everything it starts
	log   operation.Logger
	slots chan struct{}
	group sync.WaitGroup

	mu sync.Mutex
	// known has every call by its ID, active those that have not ended by
	// operation and phase.
	known  map[string]*execution
	active map[string]*execution
	ended  []string // IDs, oldest first
}

func newCalls(ctx context.Context, log operation.Logger) *calls {
	return &calls{
		ctx: ctx, log: log, slots: make(chan struct{}, maxRuns), known: map[string]*execution{}, active: map[string]*execution{},
	}
}

// execution is one call that was started.
type execution struct {
	id, key string
	method  method
	stop    context.CancelCauseFunc
	over    chan struct{}

	mu      sync.Mutex
	events  []event // lines; the result when it is over
	last    uint64
	changed chan struct{} // closed by the next event
}

var errCancelled = errors.New("the caller has cancelled it")

// attach finds the execution of a call, or starts it. One phase is never
// executed twice at a time: who asks for what is being done already gets that;
// who asks for the opposite cancels it; everybody else waits.
func (c *calls) attach(ctx context.Context, request *call, start func(context.Context, *execution) *result) (*execution, error) {
	key := ""
	if request.Plan != nil {
		key = request.Plan.OperationID + request.PhaseID
	}
	for {
		found, busy := c.find(request, key, start)
		switch {
		case found != nil:
			return found, nil
		case busy == nil:
			return nil, status.Errorf(codes.NotFound, "call %s is not known", request.ID)
		}
		if request.Method.changes() {
			busy.stop(errCancelled)
		}
		select {
		case <-busy.over:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// find returns the execution of a call, or the one that is in its way.
func (c *calls) find(request *call, key string, start func(context.Context, *execution) *result) (found, busy *execution) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.known[request.ID]; known != nil {
		return known, nil
	}
	if request.Attach {
		return nil, nil
	}
	if running := c.active[key]; running != nil {
		if running.method != request.Method || !request.Method.changes() {
			return nil, running
		}
		c.known[request.ID] = running
		c.ended = append(c.ended, request.ID)
		return running, nil
	}
	started := c.start(request, key, start)
	return started, nil
}

// start starts an execution; the lock is held.
func (c *calls) start(request *call, key string, start func(context.Context, *execution) *result) *execution {
	timeout := request.Timeout
	if timeout <= 0 {
		timeout = operation.DefaultTimeout
	}
	ctx, stop := context.WithCancelCause(c.ctx)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	e := &execution{
		id: request.ID, key: key, method: request.Method, stop: stop, over: make(chan struct{}), changed: make(chan struct{}),
	}
	c.known[e.id], c.active[key] = e, e
	c.group.Go(func() {
		defer cancel()
		defer stop(nil)
		answer := c.execute(ctx, e, start)
		e.add(event{Result: answer})
		c.end(e)
	})
	return e
}

// execute waits for its turn.
func (c *calls) execute(ctx context.Context, e *execution, start func(context.Context, *execution) *result) *result {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
		return start(ctx, e)
	case <-ctx.Done():
		return failed(context.Cause(ctx))
	}
}

// end makes way for the next call about the phase and forgets old results.
func (c *calls) end(e *execution) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.active, e.key)
	c.ended = append(c.ended, e.id)
	for len(c.ended) > maxEnded {
		oldest := c.known[c.ended[0]]
		if oldest != nil && c.active[oldest.key] == oldest {
			break // a name of one that has not ended
		}
		delete(c.known, c.ended[0])
		c.ended = c.ended[1:]
	}
	close(e.over)
}

func (c *calls) cancel(id string) {
	c.mu.Lock()
	found := c.known[id]
	c.mu.Unlock()
	if found != nil {
		found.stop(errCancelled)
	}
}

// changing is how many calls change the node now.
func (c *calls) changing() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	count := 0
	for _, running := range c.active {
		if running.method.changes() {
			count++
		}
	}
	return count
}

// wait waits until all has ended, for a while.
func (c *calls) wait(limit time.Duration) {
	ended := make(chan struct{})
	go func() { c.group.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(limit):
		c.log.Warn("The agent ends while calls have not.")
	}
}

// add adds an event. Of too many lines the oldest go.
func (e *execution) add(added event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last++
	added.Sequence = e.last
	if len(e.events) == maxLines {
		e.events = e.events[1:]
	}
	e.events = append(e.events, added)
	close(e.changed)
	e.changed = make(chan struct{})
}

// after returns the events after one, and what is closed when there are more.
func (e *execution) after(sequence uint64) ([]event, <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, known := range e.events {
		if known.Sequence > sequence {
			return append([]event(nil), e.events[i:]...), e.changed
		}
	}
	return nil, e.changed
}

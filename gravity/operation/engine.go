package operation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

const (
	// DefaultTimeout is how long a phase may take.
	DefaultTimeout = time.Hour
	// recordTimeout is how long storing a state may take, also after the
	// operation was interrupted.
	recordTimeout = 30 * time.Second
)

// Config is what an engine works with. Store and Executors are required.
type Config struct {
	Store     Store
	Executors Executors
	// Remote executes on other nodes; nil means that no node has an agent.
	Remote Remote
	// Local tells whether a server is this node; nil means IsLocal.
	Local func(Server) bool
	// Observe is told how the operation goes on; calls do not overlap. nil means
	// nobody.
	Observe func(Event)
	// Log is given to executors; nil means nowhere.
	Log Logger
	// Timeout is how long a phase may take; zero means DefaultTimeout.
	Timeout time.Duration
}

// Engine executes the plan of one operation. While it is open no other process
// does. One goroutine at a time calls its methods.
type Engine struct {
	config  Config
	plan    *Plan
	tree    *tree
	journal Journal

	observing sync.Mutex
	mu        sync.Mutex // guards what is below
	last      map[string]Entry
	entries   []Entry
	epoch     uint64
	sequence  uint64
}

// Open begins to work on an operation: it takes the changelog and begins an
// epoch. ErrNotFound, or ErrLocked if another process works on it.
func Open(ctx context.Context, config Config, operationID string) (*Engine, error) {
	if config.Local == nil {
		config.Local = IsLocal
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.Timeout == 0 {
		config.Timeout = DefaultTimeout
	}
	journal, err := config.Store.Open(ctx, operationID)
	if err != nil {
		return nil, fmt.Errorf("operation %s: %w", operationID, err)
	}
	// Read when nobody else can write any more.
	stored, err := config.Store.Read(ctx, operationID)
	if err == nil {
		err = stored.Plan.Validate()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("operation %s: %w", operationID, err), journal.Close())
	}
	engine := &Engine{
		config: config, plan: stored.Plan, tree: newTree(stored.Plan), journal: journal,
		last: map[string]Entry{}, entries: slices.Clone(stored.Entries), epoch: 1,
	}
	for _, entry := range stored.Entries {
		engine.last[entry.PhaseID] = entry
		engine.epoch = max(engine.epoch, entry.Epoch+1)
	}
	return engine, nil
}

// Close lets others work on the operation.
func (e *Engine) Close() error { return e.journal.Close() }

// Plan returns the plan with the states that phases have now.
func (e *Engine) Plan() *Plan {
	e.mu.Lock()
	defer e.mu.Unlock()
	return Resolve(e.plan, e.entries)
}

// state is what a phase has come to, and whether that was rolling it back.
func (e *Engine) state(n *node) (state State, rollback bool) {
	if !n.phase.Leaf() {
		children := make([]Phase, len(n.children))
		for i, child := range n.children {
			children[i].State, _ = e.state(child)
		}
		state, _ = composite(children)
		return state, false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	entry, found := e.last[n.phase.ID]
	if !found {
		return Unstarted, false
	}
	return entry.NewState, entry.Rollback
}

// record stores a new state. That is done also when the operation is being
// interrupted: an interruption must not look like a crash.
func (e *Engine) record(ctx context.Context, n *node, state State, rollback bool, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	e.mu.Lock()
	defer e.mu.Unlock()
	entry := Entry{
		ID: uuid.NewString(), Epoch: e.epoch, Sequence: e.sequence + 1,
		ClusterName: e.plan.ClusterName, OperationID: e.plan.OperationID,
		PhaseID: n.phase.ID, PhaseIndex: n.index, NewState: state, Rollback: rollback,
		Created: time.Now().UTC(), Error: failure(cause),
	}
	if err := e.journal.Append(ctx, entry); err != nil {
		return fmt.Errorf("store that phase %q is %s: %w", n.phase.ID, string(state), err)
	}
	e.sequence++
	e.last[entry.PhaseID] = entry
	e.entries = append(e.entries, entry)
	return nil
}

func failure(err error) *Failure {
	if err == nil {
		return nil
	}
	return &Failure{Message: err.Error(), Hints: cli.Hints(err)}
}

func (e *Engine) observe(event Event) {
	if e.config.Observe == nil {
		return
	}
	e.observing.Lock()
	defer e.observing.Unlock()
	e.config.Observe(event)
}

// unfinished refuses to change an operation that is over.
func (e *Engine) unfinished() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if entry, found := e.last[OperationPhase]; found {
		return fmt.Errorf("operation %s is %s already", e.plan.OperationID, string(entry.NewState))
	}
	return nil
}

// Complete ends the operation: it has completed if every phase has, and failed
// otherwise. What was completed stays as it is.
func (e *Engine) Complete(ctx context.Context) (State, error) {
	if err := e.unfinished(); err != nil {
		return "", err
	}
	state := Failed
	if all, _ := e.state(e.tree.root); all == Completed {
		state = Completed
	}
	operation := &node{phase: &Phase{ID: OperationPhase}}
	return state, e.record(ctx, operation, state, false, nil)
}

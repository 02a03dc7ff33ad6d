package operation_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
)

// drawPlan makes any plan of some phases.
func drawPlan(t *rapid.T) *operation.Plan {
	plan := &operation.Plan{OperationID: "op", OperationType: operation.TypeUpdate}
	var ended []string // phases that end before the one that is made
	plan.Phases = drawPhases(t, "", 3, &ended)
	return plan
}

func drawPhases(t *rapid.T, parent string, depth int, ended *[]string) []operation.Phase {
	phases := make([]operation.Phase, rapid.IntRange(1, 4).Draw(t, "phases"))
	for i := range phases {
		phase := operation.Phase{ID: fmt.Sprintf("%s/%d", parent, i)}
		if len(*ended) > 0 {
			phase.Requires = rapid.SliceOfNDistinct(rapid.SampledFrom(*ended), 0, min(2, len(*ended)), rapid.ID).Draw(t, "requires")
		}
		if depth > 1 && rapid.Bool().Draw(t, "composite") {
			phase.LimitParallel = rapid.IntRange(0, 3).Draw(t, "parallel")
			phase.Phases = drawPhases(t, phase.ID, depth-1, ended)
		} else {
			phase.Executor = "watched"
		}
		*ended = append(*ended, phase.ID)
		phases[i] = phase
	}
	return phases
}

// watch sees what an engine does with a plan, and what is wrong with that.
type watch struct {
	plan *operation.Plan

	mu         sync.Mutex
	fails      map[string]bool // leaves that fail
	running    map[string]bool
	completed  map[string]bool
	rolledBack []string
	problems   []string
}

func newWatch(plan *operation.Plan) *watch {
	return &watch{plan: plan, fails: map[string]bool{}, running: map[string]bool{}, completed: map[string]bool{}}
}

func (w *watch) executor(_ context.Context, _ *operation.Plan, phase operation.Phase, _ operation.Logger) (operation.Executor, error) {
	return &watched{w, phase.ID}, nil
}

func (w *watch) problem(format string, args ...any) {
	w.problems = append(w.problems, fmt.Sprintf(format, args...))
}

// around are the IDs of a phase and of all around it.
func around(id string) []string {
	var ids []string
	for ; id != ""; id = id[:strings.LastIndexByte(id, '/')] {
		ids = append(ids, id)
	}
	return ids
}

func inside(id, group string) bool { return id == group || strings.HasPrefix(id, group+"/") }

// begin checks that a leaf may begin: all that it requires has completed, and
// of each group around it no more phases run than are allowed.
func (w *watch) begin(id string) {
	if w.running[id] {
		w.problem("%s runs twice at the same time", id)
	}
	if w.completed[id] {
		w.problem("%s is executed again", id)
	}
	w.running[id] = true
	for _, outer := range around(id) {
		phase := w.plan.Find(outer)
		for _, required := range phase.Requires {
			for _, leaf := range w.plan.Leaves() {
				if inside(leaf.ID, required) && !w.completed[leaf.ID] {
					w.problem("%s begins before %s, which %s requires", id, leaf.ID, outer)
				}
			}
		}
		w.count(phase.ID, phase.Phases, phase.LimitParallel)
	}
	w.count("the plan", w.plan.Phases, 1)
}

func (w *watch) count(group string, phases []operation.Phase, limit int) {
	count := 0
	for _, phase := range phases {
		for running := range w.running {
			if inside(running, phase.ID) {
				count++
				break
			}
		}
	}
	if count > max(limit, 1) {
		w.problem("%d phases of %s run at the same time, at most %d may", count, group, limit)
	}
}

type watched struct {
	watch *watch
	id    string
}

func (e *watched) Done(context.Context) (bool, error) { return false, nil }

func (e *watched) Execute(context.Context) error {
	e.watch.mu.Lock()
	defer e.watch.mu.Unlock()
	e.watch.begin(e.id)
	for range 3 {
		e.watch.mu.Unlock()
		runtime.Gosched()
		e.watch.mu.Lock()
	}
	delete(e.watch.running, e.id)
	if e.watch.fails[e.id] {
		return errors.New("fails")
	}
	e.watch.completed[e.id] = true
	return nil
}

func (e *watched) Rollback(context.Context) error {
	e.watch.rolledBack = append(e.watch.rolledBack, e.id)
	return nil
}

// checkStates compares states with what leaves have come to.
func (w *watch) checkStates(t *rapid.T, phases []operation.Phase) {
	for _, phase := range phases {
		w.checkStates(t, phase.Phases)
		count := map[operation.State]int{}
		total := 0
		for _, leaf := range phase.Phases {
			count[leaf.State]++
			total++
		}
		failed, completed := false, true
		for _, leaf := range w.plan.Leaves() {
			if inside(leaf.ID, phase.ID) {
				completed = completed && w.completed[leaf.ID]
			}
		}
		for _, leaf := range (&operation.Plan{Phases: []operation.Phase{phase}}).Leaves() {
			failed = failed || leaf.State == operation.Failed
		}
		if got := phase.State == operation.Completed; got != completed {
			t.Fatalf("%s is %s, although completed is %v", phase.ID, phase.State, completed)
		}
		if got := phase.State == operation.Failed; got != failed {
			t.Fatalf("%s is %s, although failed is %v", phase.ID, phase.State, failed)
		}
		if total > 0 && count[operation.Unstarted] == total && phase.State != operation.Unstarted {
			t.Fatalf("%s is %s, although nothing in it was started", phase.ID, phase.State)
		}
	}
}

// Whatever the plan is and whatever fails: nothing begins too early, no more
// runs than is allowed, what has completed is not executed again, and rolling
// back goes backwards.
func TestRandomPlans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan := drawPlan(t)
		if err := plan.Validate(); err != nil {
			t.Fatal(err)
		}
		watch := newWatch(plan)
		store := &memory{plan: plan}
		for _, leaf := range plan.Leaves() {
			watch.fails[leaf.ID] = rapid.IntRange(0, 3).Draw(t, "fails") == 0
		}
		fails := slices.Contains(values(watch.fails), true)
		engine := watch.open(t, store)
		if err := engine.Resume(t.Context()); (err != nil) != fails {
			t.Fatalf("resume: %v, although failures are %v", err, fails)
		}
		watch.checkStates(t, engine.Plan().Phases)
		watch.end(t, engine)
		if !fails {
			return
		}
		engine = watch.open(t, store)
		if rapid.Bool().Draw(t, "roll back") {
			watch.rollBack(t, engine)
		} else {
			clear(watch.fails)
			if err := engine.Resume(t.Context()); err != nil {
				t.Fatal(err)
			}
			watch.checkStates(t, engine.Plan().Phases)
		}
		watch.end(t, engine)
	})
}

func (w *watch) open(t *rapid.T, store operation.Store) *operation.Engine {
	engine, err := operation.Open(t.Context(), operation.Config{Store: store, Executors: w.executor}, "op")
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

func (w *watch) end(t *rapid.T, engine *operation.Engine) {
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	if len(w.problems) > 0 {
		t.Fatal(strings.Join(w.problems, "\n"))
	}
}

func (w *watch) rollBack(t *rapid.T, engine *operation.Engine) {
	var want []string
	for _, leaf := range slices.Backward(engine.Plan().Leaves()) {
		if leaf.State != operation.Unstarted {
			want = append(want, leaf.ID)
		}
	}
	if err := engine.RollbackAll(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(want, w.rolledBack) {
		t.Fatalf("rolled back %v, want %v", w.rolledBack, want)
	}
	if got := engine.Plan().State(); got != operation.RolledBack {
		t.Fatalf("the plan is %s", got)
	}
}

func values(m map[string]bool) []bool {
	var found []bool
	for _, value := range m {
		found = append(found, value)
	}
	return found
}

package operation_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// simple is an executor made of a function.
type simple func(ctx context.Context, phase operation.Phase) error

func (s simple) executors(_ context.Context, _ *operation.Plan, phase operation.Phase, _ operation.Logger) (operation.Executor, error) {
	return simpleExecutor{s, phase}, nil
}

type simpleExecutor struct {
	run   simple
	phase operation.Phase
}

func (e simpleExecutor) Done(context.Context) (bool, error) { return false, nil }
func (e simpleExecutor) Execute(ctx context.Context) error  { return e.run(ctx, e.phase) }
func (e simpleExecutor) Rollback(ctx context.Context) error { return e.run(ctx, e.phase) }
func nothing(context.Context, operation.Phase) error        { return nil }
func untilEnd(ctx context.Context, _ operation.Phase) error { <-ctx.Done(); return ctx.Err() }
func leaf(id string) operation.Phase                        { return operation.Phase{ID: id, Executor: "x"} }
func phases(all ...operation.Phase) []operation.Phase       { return all }
func stored(all ...operation.Phase) *memory                 { return &memory{plan: planOf(all)} }
func planOf(all []operation.Phase) *operation.Plan {
	return &operation.Plan{OperationID: "op", OperationType: operation.TypeUpdate, ClusterName: "c", Phases: all}
}

func open(t *testing.T, config operation.Config) *operation.Engine {
	t.Helper()
	engine, err := operation.Open(t.Context(), config, "op")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return engine
}

// wantError compares an error's text.
func wantError(t *testing.T, err error, want string) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

// As many phases run at the same time as may: each waits for another one.
func TestParallelReachesItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		group := operation.Phase{ID: "/g", LimitParallel: 3}
		for name := range strings.SplitSeq("abcdefg", "") {
			group.Phases = append(group.Phases, leaf("/g/"+name))
		}
		var mu sync.Mutex
		running, most := 0, 0
		engine := open(t, operation.Config{Store: stored(group), Executors: simple(func(context.Context, operation.Phase) error {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(time.Minute)
			mu.Lock()
			running--
			mu.Unlock()
			return nil
		}).executors})
		if err := engine.Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
		if most != 3 {
			t.Errorf("%d at the same time, want 3", most)
		}
	})
}

// After an interruption what runs ends, and nothing begins.
func TestInterruptedGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := stored(operation.Phase{ID: "/g", LimitParallel: 2, Phases: phases(leaf("/g/a"), leaf("/g/b"), leaf("/g/c"))})
		engine := open(t, operation.Config{Store: store, Executors: simple(untilEnd).executors})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, cancel)
		err := engine.Resume(ctx)
		wantError(t, err, "execute phase \"/g/a\": interrupted: context canceled\nexecute phase \"/g/b\": interrupted: context canceled")
		for id, want := range map[string]operation.State{"/g/a": operation.Failed, "/g/b": operation.Failed, "/g/c": operation.Unstarted} {
			if got := engine.Plan().Find(id).State; got != want {
				t.Errorf("%s is %s, want %s", id, got, want)
			}
		}
	})
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		store := stored(leaf("/a"))
		engine := open(t, operation.Config{Store: store, Executors: simple(untilEnd).executors})
		wantError(t, engine.Execute(t.Context(), "/a", false), `execute phase "/a": not done after 1h0m0s: context deadline exceeded`)
		wantError(t, engine.Rollback(t.Context(), "/a", false), `roll back phase "/a": not done after 1h0m0s: context deadline exceeded`)
		if took := time.Since(begin); took != 2*operation.DefaultTimeout {
			t.Errorf("took %v", took)
		}
	})
}

// What cannot be stored is not begun.
func TestNothingWithoutStore(t *testing.T) {
	store := stored(leaf("/a"))
	store.broken = errors.New("disk full")
	executed := false
	engine := open(t, operation.Config{Store: store, Executors: simple(func(context.Context, operation.Phase) error {
		executed = true
		return nil
	}).executors})
	wantError(t, engine.Resume(t.Context()), `execute phase "/a": store that phase "/a" is in_progress: disk full`)
	wantError(t, engine.Rollback(t.Context(), "/a", false), `phase "/a" hasn't been executed yet`)
	if executed {
		t.Error("the phase was executed")
	}
}

// The hints of an error survive in the store.
func TestFailureIsStored(t *testing.T) {
	store := stored(leaf("/a"))
	engine := open(t, operation.Config{Store: store, Executors: simple(func(context.Context, operation.Phase) error {
		return cli.WithHint(errors.New("no disk"), "add a disk")
	}).executors})
	if err := engine.Resume(t.Context()); len(cli.Hints(err)) != 1 {
		t.Errorf("%v has no hint", err)
	}
	want := &operation.Failure{Message: "no disk", Hints: []string{"add a disk"}}
	if diff := cmp.Diff(want, engine.Plan().Phases[0].Error); diff != "" {
		t.Errorf("stored failure (-want +got):\n%s", diff)
	}
}

// Each process begins an epoch, and an entry says what it is about.
func TestEntries(t *testing.T) {
	store := stored(leaf("/a"), leaf("/b"))
	for _, id := range []string{"/a", "/b"} {
		engine, err := operation.Open(t.Context(), operation.Config{Store: store, Executors: simple(nothing).executors}, "op")
		if err != nil {
			t.Fatal(err)
		}
		if err := engine.Execute(t.Context(), id, false); err != nil {
			t.Fatal(err)
		}
		if err := engine.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var got []operation.Entry
	for _, entry := range store.entries {
		if entry.ID == "" || entry.Created.IsZero() {
			t.Errorf("%v has no ID or no time", entry)
		}
		entry.ID, entry.Created = "", time.Time{}
		got = append(got, entry)
	}
	entry := func(epoch, sequence uint64, phase string, index int, state operation.State) operation.Entry {
		return operation.Entry{
			Epoch: epoch, Sequence: sequence, ClusterName: "c", OperationID: "op", PhaseID: phase, PhaseIndex: index, NewState: state,
		}
	}
	want := []operation.Entry{
		entry(1, 1, "/a", 1, operation.InProgress), entry(1, 2, "/a", 1, operation.Completed),
		entry(2, 1, "/b", 2, operation.InProgress), entry(2, 2, "/b", 2, operation.Completed),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	store := stored(leaf("/a"))
	open(t, operation.Config{Store: store, Executors: simple(nothing).executors})
	_, err := operation.Open(t.Context(), operation.Config{Store: store, Executors: simple(nothing).executors}, "op")
	if !errors.Is(err, operation.ErrLocked) {
		t.Errorf("error %v, want %v", err, operation.ErrLocked)
	}
}

func TestIsLocal(t *testing.T) {
	for address, want := range map[string]bool{"127.0.0.1": true, "192.0.2.77": false, "": false, "localhost": false} {
		if got := operation.IsLocal(operation.Server{AdvertiseIP: address}); got != want {
			t.Errorf("%q is local: %v", address, got)
		}
	}
}

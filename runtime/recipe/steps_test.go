package recipe

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func newTestSteps(t *testing.T) *steps {
	t.Helper()
	return newSteps(filepath.Join(t.TempDir(), "steps"), t.Output())
}

// fill is the work of a step that writes one file.
func fill(content string) func(context.Context, string) error {
	return func(_ context.Context, folder string) error {
		return os.WriteFile(filepath.Join(folder, "file"), []byte(content), 0o644)
	}
}

func lane() chan struct{} { return make(chan struct{}, 1) }

// foldersOf lists what lies in the cache of the steps.
func foldersOf(t *testing.T, s *steps) []string {
	t.Helper()
	entries, err := os.ReadDir(s.folder)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func TestStepRunsOnce(t *testing.T) {
	s := newTestSteps(t)
	var runs atomic.Int32
	w := work{lane: lane(), make: func(ctx context.Context, folder string) error {
		runs.Add(1)
		return fill("made")(ctx, folder)
	}}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			folder, err := s.do(t.Context(), "compile etcd", "key", w)
			if err != nil {
				t.Error(err)
				return
			}
			if content, err := os.ReadFile(filepath.Join(folder, "file")); string(content) != "made" {
				t.Errorf("the folder has %q (%v)", content, err)
			}
		})
	}
	wg.Wait()
	if runs.Load() != 1 {
		t.Errorf("the work was done %d times", runs.Load())
	}
	if report := s.report(); len(report) != 1 || report[0].Name != "compile etcd" {
		t.Errorf("report %v, want the one step", report)
	}
	if got := foldersOf(t, s); !slices.Equal(got, []string{"compile etcd-key"}) {
		t.Errorf("the cache has %q", got)
	}
}

func TestStepIsReused(t *testing.T) {
	first := newTestSteps(t)
	made, err := first.do(t.Context(), "pack kube", "key", work{lane: lane(), make: fill("first")})
	if err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-unusedFor + time.Hour)
	if err := os.Chtimes(made, old, old); err != nil {
		t.Fatal(err)
	}
	second := newSteps(first.folder, t.Output())
	never := func(context.Context, string) error { return errors.New("the work was done again") }
	unprepared := func(context.Context) error { return errors.New("what it stands on was made") }
	folder, err := second.do(t.Context(), "pack kube", "key", work{lane(), unprepared, never})
	if err != nil || folder != made {
		t.Errorf("folder %s (%v), want %s", folder, err, made)
	}
	if len(second.report()) != 0 {
		t.Errorf("report %v, want nothing", second.report())
	}
	if info, err := os.Stat(made); err != nil || time.Since(info.ModTime()) > time.Hour {
		t.Errorf("the step is not marked as used (%v)", err)
	}
	other, err := second.do(t.Context(), "pack kube", "other key", work{lane: lane(), make: fill("second")})
	if err != nil || other == made {
		t.Errorf("another key has the folder %s (%v)", other, err)
	}
}

func TestStepFails(t *testing.T) {
	broken := errors.New("it broke")
	for name, w := range map[string]work{
		"prepare": {lane(), func(context.Context) error { return broken }, fill("")},
		"make": {lane(), nil, func(ctx context.Context, folder string) error {
			return errors.Join(fill("half")(ctx, folder), broken)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestSteps(t)
			for range 2 { // the second caller gets the error of the first
				if _, err := s.do(t.Context(), "compile runc", "key", w); !errors.Is(err, broken) {
					t.Errorf("error %v, want %v", err, broken)
				} else if name == "make" {
					wantError(t, err, "compile runc: it broke")
				}
			}
			if got := foldersOf(t, s); len(got) > 0 {
				t.Errorf("a failure left %q", got)
			}
			if len(w.lane) > 0 {
				t.Error("the lane is still taken")
			}
			again := newSteps(s.folder, t.Output())
			if _, err := again.do(t.Context(), "compile runc", "key", work{lane: lane(), make: fill("")}); err != nil {
				t.Errorf("the next run fails: %v", err)
			}
		})
	}
}

// TestStepsNest lets steps stand on each other in the same lane: one that
// waited inside the lane would wait forever.
func TestStepsNest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSteps(t)
		only := lane()
		var order []string
		note := func(name string) func(context.Context, string) error {
			return func(context.Context, string) error {
				order = append(order, name) // the lane lets one at a time
				return nil
			}
		}
		base := func(ctx context.Context) error {
			_, err := s.do(ctx, "base", "key", work{only, nil, note("base")})
			return err
		}
		middle := func(ctx context.Context) error {
			_, err := s.do(ctx, "middle", "key", work{only, base, note("middle")})
			return err
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var wg sync.WaitGroup
		for _, name := range []string{"left", "right"} {
			wg.Go(func() {
				if _, err := s.do(ctx, name, "key", work{only, middle, note(name)}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if len(order) != 4 || order[0] != "base" || order[1] != "middle" {
			t.Errorf("order %q, want base, middle, then the others", order)
		}
	})
}

func TestStepCancelled(t *testing.T) {
	stopped := errors.New("another step failed")
	synctest.Test(t, func(t *testing.T) {
		s := newTestSteps(t)
		only := lane()
		ctx, cancel := context.WithCancelCause(t.Context())
		untilTold := func(ctx context.Context, folder string) error {
			err := fill("half")(ctx, folder)
			<-ctx.Done()
			return errors.Join(err, errors.New("signal: killed"))
		}
		var wg sync.WaitGroup
		for _, name := range []string{"works", "works", "waits for the lane"} {
			wg.Go(func() {
				_, err := s.do(ctx, name, "key", work{lane: only, make: untilTold})
				if !errors.Is(err, stopped) {
					t.Errorf("%s: error %v, want %v", name, err, stopped)
				}
			})
		}
		synctest.Wait()
		cancel(stopped)
		wg.Wait()
		if got := foldersOf(t, s); len(got) > 0 {
			t.Errorf("it left %q", got)
		}
	})
}

func TestStepsAnnounceWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		s := newSteps(filepath.Join(t.TempDir(), "steps"), &log)
		stop := s.announceRunning(t.Context())
		_, err := s.do(t.Context(), "compile kube", "key", work{lane: lane(), make: func(context.Context, string) error {
			time.Sleep(70 * time.Second)
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		stop()
		want := "==> compile kube\n    … compile kube (30s)\n    … compile kube (1m0s)\n    compile kube: done in 1m10s\n"
		if log.String() != want {
			t.Errorf("log %q, want %q", log.String(), want)
		}
	})
}

func TestStepsClean(t *testing.T) {
	s := newTestSteps(t)
	if err := s.clean(); err != nil {
		t.Errorf("a cache that does not exist yet: %v", err)
	}
	for name, age := range map[string]time.Duration{
		temporaryPrefix + "123": 0, "used-1": unusedFor - time.Hour, "unused-1": unusedFor + time.Hour,
	} {
		folder := filepath.Join(s.folder, name)
		if err := os.MkdirAll(filepath.Join(folder, "below"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(folder, time.Now(), time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.clean(); err != nil {
		t.Fatal(err)
	}
	if got := foldersOf(t, s); !slices.Equal(got, []string{"used-1"}) {
		t.Errorf("the cache has %q, want what was used lately", got)
	}
}

func TestKeyOf(t *testing.T) {
	lists := [][]any{
		{},
		{""},
		{"a", "b"},
		{"ab"},
		{"a", []string{"b"}},
		{[]string{"a", "b"}},
		{"b", "a"},
		{`a","b`},
		{map[string]string{"a": "b"}},
		{lockedPackage{Name: "a"}},
		{lockedPackage{Version: "a"}},
	}
	seen := make(map[string]int)
	for i, parts := range lists {
		key := keyOf(parts...)
		if other, ok := seen[key]; ok {
			t.Errorf("the key of %q is that of %q", parts, lists[other])
		}
		seen[key] = i
		if again := keyOf(parts...); again != key {
			t.Errorf("the key of %q is %s, then %s", parts, key, again)
		}
	}
}

func TestCodeOf(t *testing.T) {
	if codeOf("steps.go") == codeOf("steps.go", "layers.go") {
		t.Error("a file more does not count")
	}
	defer func() {
		if recover() == nil {
			t.Error("a misspelt name does not panic")
		}
	}()
	codeOf("none.go")
}

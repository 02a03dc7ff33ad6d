package disk

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation/internal/machine"
)

// The environment of a child: what it does, where, and at which point it dies.
const (
	envChild = "OPERATION_TEST_CHILD"
	envDir   = "OPERATION_TEST_DIR"
	envDie   = "OPERATION_TEST_DIE"
	// envAll, if set, has the test die at every point there is.
	envAll = "OPERATION_TEST_ALL"
	// envSeed chooses the points again that a failed test printed.
	envSeed = "OPERATION_TEST_SEED"
)

const crashOperation = "crash"

// crashPlan changes files several times, removes some, and has phases that run
// at the same time.
func crashPlan() *operation.Plan {
	node := func(name string) operation.Phase {
		return operation.Phase{ID: "/nodes/" + name, Phases: []operation.Phase{
			machine.Phase("/nodes/"+name+"/stop", machine.Step{Path: name + ".running", Remove: true}),
			machine.Phase("/nodes/"+name+"/write", machine.Step{Path: name, Content: "first of " + name}, machine.Step{Path: name, Content: "second of " + name}),
		}}
	}
	return &operation.Plan{
		OperationID: crashOperation, OperationType: operation.TypeUpdate, ClusterName: "c",
		Phases: []operation.Phase{
			machine.Phase("/init", machine.Step{Path: "version", Content: "2"}, machine.Step{Path: "new", Content: "new file"}),
			{ID: "/nodes", Requires: []string{"/init"}, LimitParallel: 2, Phases: []operation.Phase{node("a"), node("b")}},
			machine.Phase("/finish", machine.Step{Path: "new", Remove: true}, machine.Step{Path: "version", Content: "3"}),
		},
	}
}

var before = map[string]string{"version": "1", "a": "old", "a.running": "yes", "b.running": "yes", "untouched": "same"}

// after is what the plan makes of it.
var after = map[string]string{"version": "3", "a": "second of a", "b": "second of b", "untouched": "same"}

// dying is a file that a process dies at when it writes half of what it should,
// before it syncs, and after that.
type dying struct {
	file

	point func()
}

func (d *dying) Write(data []byte) (int, error) {
	d.point()
	half, err := d.file.Write(data[:len(data)/2])
	if err != nil {
		return half, err
	}
	d.point()
	rest, err := d.file.Write(data[len(data)/2:])
	return half + rest, err
}

func (d *dying) Sync() error {
	d.point()
	err := d.file.Sync()
	d.point()
	return err
}

// child is a process of the test. It prints how many points it has passed.
func child(action, dir string) error {
	die, err := strconv.ParseInt(os.Getenv(envDie), 10, 64)
	if err != nil {
		return err
	}
	var passed atomic.Int64
	point := func() {
		if passed.Add(1) == die {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // until the signal arrives
		}
	}
	store := New(filepath.Join(dir, "operations"))
	store.wrap = func(f file) file { return &dying{f, point} }
	simulated := &machine.Machine{Dir: filepath.Join(dir, "machine"), Point: point}
	ctx := context.Background()
	if action == "create" {
		err := store.Create(ctx, crashPlan())
		fmt.Println(passed.Load())
		return err
	}
	engine, err := operation.Open(ctx, operation.Config{Store: store, Executors: simulated.Executor}, crashOperation)
	if err != nil {
		return err
	}
	switch action {
	case "resume":
		err = engine.Resume(ctx)
	case "rollback":
		err = engine.RollbackAll(ctx, false)
	}
	fmt.Println(passed.Load())
	return err
}

func TestMain(m *testing.M) {
	if action := os.Getenv(envChild); action != "" {
		if err := child(action, os.Getenv(envDir)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// run runs a child that dies at a point, or not at all if that is 0. It tells
// how many points the child passed.
func run(t *testing.T, dir, action string, die int) (points int, died bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, os.Args[0])
	command.Env = append(os.Environ(), envChild+"="+action, envDir+"="+dir, fmt.Sprint(envDie, "=", die), "GORACE=atexit_sleep_ms=0")
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if command.ProcessState != nil {
		status := command.ProcessState.Sys().(syscall.WaitStatus)
		if status.Signaled() && status.Signal() == syscall.SIGKILL && die > 0 {
			return die, true
		}
	}
	if err != nil {
		t.Fatalf("%s, to die at %d: %v: %s", action, die, err, &stderr)
	}
	points, err = strconv.Atoi(string(bytes.TrimSpace(output)))
	if err != nil {
		t.Fatal(err)
	}
	return points, false
}

// fresh is a machine that nothing was done to, with a plan.
func fresh(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := New(filepath.Join(dir, "operations")).Create(t.Context(), crashPlan()); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "machine"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range before {
		if err := os.WriteFile(filepath.Join(dir, "machine", name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found, err := (&machine.Machine{Dir: filepath.Join(dir, "machine")}).Files()
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func state(t *testing.T, dir string) (operation.State, operation.State) {
	t.Helper()
	stored, err := New(filepath.Join(dir, "operations")).Read(t.Context(), crashOperation)
	if err != nil {
		t.Fatal(err)
	}
	return stored.Resolve().State(), stored.State()
}

// seeded is a source of points that can be had again.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv(envSeed); text != "" {
		parsed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = parsed
	}
	t.Logf("%s=%d", envSeed, seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// points chooses where to die: everywhere, or at some points.
func points(random *rand.Rand, total, sample int) []int {
	chosen := random.Perm(total)
	if os.Getenv(envAll) == "" {
		chosen = chosen[:min(sample, total)]
	}
	for i := range chosen {
		chosen[i]++
	}
	slices.Sort(chosen)
	return chosen
}

// A process dies at any point, the one that recovers may die as well, and in the
// end the machine is as if neither had: completed when resumed, and as before
// when rolled back.
func TestCrash(t *testing.T) {
	random, sample := seeded(t), 40
	if testing.Short() {
		sample = 4
	}
	dir := fresh(t)
	total, _ := run(t, dir, "resume", 0)
	t.Logf("%d points", total)
	if diff := cmp.Diff(after, machine.Prune(files(t, dir))); diff != "" {
		t.Fatalf("without a crash (-want +got):\n%s", diff)
	}
	for _, die := range points(random, total, sample) {
		for _, action := range []string{"resume", "rollback"} {
			again := random.IntN(total) // the second time; often later than there are points
			t.Run(fmt.Sprint(die, action, again), func(t *testing.T) {
				t.Parallel()
				recoverFrom(t, die, action, again)
			})
		}
	}
}

func recoverFrom(t *testing.T, die int, action string, again int) {
	dir := fresh(t)
	if _, died := run(t, dir, "resume", die); !died {
		t.Fatalf("passed point %d", die)
	}
	if _, whole := state(t, dir); whole == operation.Completed {
		return // it died when all was done
	}
	_, died := run(t, dir, action, again)
	if _, whole := state(t, dir); whole == operation.Completed {
		died = false // only after it was stored that all is done
	}
	if died || action == "rollback" && again == 0 {
		// Rolling back twice is allowed; there is only nothing left to do.
		run(t, dir, action, 0)
	}
	got := files(t, dir)
	plan, whole := state(t, dir)
	if action == "rollback" {
		if diff := cmp.Diff(before, got); diff != "" {
			t.Errorf("rolled back (-want +got):\n%s", diff)
		}
		if plan != operation.RolledBack && plan != operation.Unstarted {
			t.Errorf("rolled back, and the plan is %s", plan)
		}
		return
	}
	if diff := cmp.Diff(after, machine.Prune(got)); diff != "" {
		t.Errorf("resumed (-want +got):\n%s", diff)
	}
	if plan != operation.Completed || whole != operation.Completed {
		t.Errorf("resumed, and the plan is %s, the operation %s", plan, whole)
	}
	for path := range maps.Keys(got) {
		if filepath.Ext(path) == ".partial" {
			t.Errorf("%s is left", path)
		}
	}
}

// A process that dies while it creates an operation leaves all of it or nothing.
func TestCrashOnCreate(t *testing.T) {
	total, _ := run(t, t.TempDir(), "create", 0)
	for die := 1; die <= total; die++ {
		dir := t.TempDir()
		if _, died := run(t, dir, "create", die); !died {
			t.Fatalf("passed point %d", die)
		}
		store := New(filepath.Join(dir, "operations"))
		if ids, err := store.List(t.Context()); err != nil || len(ids) > 0 {
			t.Fatalf("died at %d: operations %v, %v", die, ids, err)
		}
		if err := store.Create(t.Context(), crashPlan()); err != nil {
			t.Fatalf("died at %d: %v", die, err)
		}
		if _, err := store.Read(t.Context(), crashOperation); err != nil {
			t.Fatalf("died at %d: %v", die, err)
		}
	}
}

package operation_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"go.uber.org/goleak"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation/disk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestScripts runs what testdata/script describes. A file defines a plan, one
// phase a line, and then does with it what users do:
//
//	plan [type=TYPE] [lead=NODE]
//	/masters requires=(/init) parallel=2
//	/masters/n1 node=n1 exec=n2
//
//	behave /PHASE [fail=execute|rollback|precheck|postcheck] [crash=…] [interrupt=…] [done=true|error]
//	execute PHASE [force]      rollback PHASE [force]      rollback-all [dry]
//	resume      complete      states      agents NODE…
//
// The output is what executors were called for, events, and the error. A crash
// loses what would be stored after it; the next command is another process.
// The option sorted sorts the output of phases that run at the same time. This
// node is n1.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/script", func(t *testing.T, path string) {
		s := &script{t: t, behavior: map[string]map[string]string{}, agents: map[string]bool{}}
		s.store = &crashing{Store: disk.New(t.TempDir()), script: s}
		datadriven.RunTest(t, path, s.run)
	})
}

type script struct {
	t        *testing.T
	store    *crashing
	plan     *operation.Plan
	behavior map[string]map[string]string // by phase
	agents   map[string]bool              // nodes that have one

	mu        sync.Mutex
	out       strings.Builder
	crashed   bool
	interrupt context.CancelFunc
}

func (s *script) printf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(&s.out, format+"\n", args...)
}

func (s *script) run(t *testing.T, data *datadriven.TestData) string {
	t.Helper()
	s.out.Reset()
	s.crashed = false
	switch data.Cmd {
	case "plan":
		s.plan = parsePlan(t, data)
		if err := s.store.Create(t.Context(), s.plan); err != nil {
			s.printf("error: %v", err)
		}
	case "behave":
		behavior := map[string]string{}
		for _, arg := range data.CmdArgs[1:] {
			behavior[arg.Key] = arg.Vals[0]
		}
		s.behavior[data.CmdArgs[0].Key] = behavior
	case "agents":
		clear(s.agents)
		for _, arg := range data.CmdArgs {
			s.agents[arg.Key] = true
		}
	case "states":
		stored, err := s.store.Read(t.Context(), s.plan.OperationID)
		if err != nil {
			t.Fatal(err)
		}
		s.states(stored.Resolve().Phases)
		s.printf("operation: %s", stored.State())
	default:
		s.engine(data)
	}
	if data.HasArg("sorted") {
		lines := slices.Sorted(strings.Lines(s.out.String()))
		return strings.Join(lines, "")
	}
	return s.out.String()
}

func (s *script) states(phases []operation.Phase) {
	for _, phase := range phases {
		cause := ""
		if phase.Error != nil {
			cause = ": " + phase.Error.Message
		}
		s.printf("%s: %s%s", phase.ID, phase.State, cause)
		s.states(phase.Phases)
	}
}

// engine is a process that does one thing.
func (s *script) engine(data *datadriven.TestData) {
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	s.interrupt = cancel
	engine, err := operation.Open(ctx, operation.Config{
		Store:     s.store,
		Executors: s.executor,
		Remote:    remote{s},
		Local:     func(server operation.Server) bool { return server.Hostname == "n1" },
		Observe:   s.observe,
		Timeout:   time.Minute,
	}, s.plan.OperationID)
	if err != nil {
		s.printf("error: %v", err)
		return
	}
	defer engine.Close()
	option := func(i int) string {
		if i < len(data.CmdArgs) {
			return data.CmdArgs[i].Key
		}
		return ""
	}
	switch data.Cmd {
	case "execute":
		err = engine.Execute(ctx, option(0), option(1) == "force")
	case "resume":
		err = engine.Resume(ctx)
	case "rollback":
		err = engine.Rollback(ctx, option(0), option(1) == "force")
	case "rollback-all":
		err = engine.RollbackAll(ctx, option(0) == "dry")
	case "complete":
		var state operation.State
		state, err = engine.Complete(ctx)
		if err == nil {
			s.printf("%s", state)
		}
	default:
		s.t.Fatalf("%s: no such command", data.Pos)
	}
	switch {
	case s.crashed:
		s.printf("crash")
	case err != nil:
		s.printf("error: %v", err)
	}
}

func (s *script) observe(event operation.Event) {
	if s.hasCrashed() {
		return
	}
	where := ""
	if event.Server != nil {
		where = " on " + event.Server.Hostname
	}
	if event.DryRun {
		where += " (dry run)"
	}
	s.printf("%d/%d %s %s%s: %s", event.Index, event.Total, event.Action, event.Phase.ID, where, event.State)
}

func (s *script) hasCrashed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.crashed
}

// crashing is a store that a process which crashed does not write to any more.
type crashing struct {
	operation.Store

	script *script
}

func (c *crashing) Open(ctx context.Context, id string) (operation.Journal, error) {
	journal, err := c.Store.Open(ctx, id)
	return crashingJournal{journal, c.script}, err
}

type crashingJournal struct {
	operation.Journal

	script *script
}

func (c crashingJournal) Append(ctx context.Context, entry operation.Entry) error {
	if c.script.hasCrashed() {
		return errors.New("crashed")
	}
	return c.Journal.Append(ctx, entry)
}

// remote has agents on some nodes.
type remote struct{ script *script }

func (r remote) Executor(ctx context.Context, server operation.Server, plan *operation.Plan, phase operation.Phase, log operation.Logger) (operation.Executor, error) {
	if !r.script.agents[server.Hostname] {
		return nil, fmt.Errorf("dial %s: %w", server.Hostname, operation.ErrNoAgent)
	}
	return r.script.executor(ctx, plan, phase, log)
}

func (s *script) executor(_ context.Context, _ *operation.Plan, phase operation.Phase, _ operation.Logger) (operation.Executor, error) {
	if phase.Executor != "script" {
		return nil, fmt.Errorf("no executor %q", phase.Executor)
	}
	return &scripted{s, phase.ID, s.behavior[phase.ID]}, nil
}

// scripted is an executor that says what it is called for, and behaves.
type scripted struct {
	script   *script
	id       string
	behavior map[string]string
}

func (e *scripted) call(ctx context.Context, method string) error {
	if e.script.hasCrashed() {
		return errors.New("crashed")
	}
	e.script.printf("  %s %s", method, e.id)
	switch method {
	case e.behavior["fail"]:
		return fmt.Errorf("%s does not work", method)
	case e.behavior["crash"]:
		e.script.mu.Lock()
		defer e.script.mu.Unlock()
		e.script.crashed = true
		return errors.New("crashed")
	case e.behavior["interrupt"]:
		e.script.interrupt()
		return ctx.Err()
	}
	return nil
}

func (e *scripted) Done(ctx context.Context) (bool, error) {
	if e.behavior["done"] == "error" {
		return false, errors.New("cannot tell")
	}
	return e.behavior["done"] == "true", e.call(ctx, "done")
}

func (e *scripted) Execute(ctx context.Context) error   { return e.call(ctx, "execute") }
func (e *scripted) Rollback(ctx context.Context) error  { return e.call(ctx, "rollback") }
func (e *scripted) PreCheck(ctx context.Context) error  { return e.check(ctx, "precheck") }
func (e *scripted) PostCheck(ctx context.Context) error { return e.check(ctx, "postcheck") }

// check is silent unless there is something to see.
func (e *scripted) check(ctx context.Context, method string) error {
	for _, with := range []string{"fail", "crash", "interrupt"} {
		if e.behavior[with] == method {
			return e.call(ctx, method)
		}
	}
	return nil
}

func parsePlan(t *testing.T, data *datadriven.TestData) *operation.Plan {
	t.Helper()
	plan := &operation.Plan{OperationID: "op", OperationType: operation.TypeUpdate, ClusterName: "cluster"}
	for _, arg := range data.CmdArgs {
		switch arg.Key {
		case "type":
			plan.OperationType = arg.Vals[0]
		case "lead":
			plan.LeadMaster = server(arg.Vals[0])
		}
	}
	for line := range strings.Lines(data.Input) {
		id, args, err := datadriven.ParseLine(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		addPhase(&plan.Phases, parsePhase(t, id, args))
	}
	fillExecutors(plan.Phases)
	return plan
}

func parsePhase(t *testing.T, id string, args []datadriven.CmdArg) operation.Phase {
	t.Helper()
	phase := operation.Phase{ID: id, Data: &operation.Data{}}
	for _, arg := range args {
		switch arg.Key {
		case "requires":
			phase.Requires = arg.Vals
		case "parallel":
			if _, err := fmt.Sscan(arg.Vals[0], &phase.LimitParallel); err != nil {
				t.Fatal(err)
			}
		case "node":
			phase.Data.Server = server(arg.Vals[0])
		case "exec":
			phase.Data.ExecServer = server(arg.Vals[0])
		case "executor":
			phase.Executor = arg.Vals[0]
		default:
			t.Fatalf("%s: %s means nothing", id, arg.Key)
		}
	}
	return phase
}

func server(name string) *operation.Server {
	return &operation.Server{Hostname: name, AdvertiseIP: "192.0.2." + strings.TrimPrefix(name, "n")}
}

// addPhase puts a phase into the one that its path says.
func addPhase(phases *[]operation.Phase, phase operation.Phase) {
	for i := range *phases {
		if strings.HasPrefix(phase.ID, (*phases)[i].ID+"/") {
			addPhase(&(*phases)[i].Phases, phase)
			return
		}
	}
	*phases = append(*phases, phase)
}

func fillExecutors(phases []operation.Phase) {
	for i := range phases {
		if phases[i].Leaf() && phases[i].Executor == "" {
			phases[i].Executor = "script"
		}
		fillExecutors(phases[i].Phases)
	}
}

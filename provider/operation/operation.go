// Package operation runs gravity install and gravity join on a machine so that
// neither a lost connection nor the end of Terraform ends them, and finds out
// later how they went: an operation is started once for its key, and whoever comes
// with the same key waits for the same one.
package operation

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/provider/connection"
	"github.com/gravity-platform/terraform-provider-gravity/provider/node"
)

// The verbs of gravity that begin operations.
const (
	Install = "install"
	Join    = "join"
)

//go:embed script/operate.sh
var operateScript string

// Operation is an installation or a join, on the machine that becomes a node.
type Operation struct {
	// Machine is where it happens.
	Machine *node.Node
	// Cluster is the name of the cluster.
	Cluster string
	// Key identifies the operation on the machine.
	Key string
	// Verb is Install or Join.
	Verb string
	// Program is where gravity is on the machine; if it is not there, it is taken
	// out of Bundle.
	Program, Bundle string
	// IndexDigest and ProgramDigest are what index.json of Bundle and Program must
	// have, as sha256:…; anything else is refused before it is executed. Empty means
	// that nobody knows.
	IndexDigest, ProgramDigest string
	// TrustedKeys are public keys in PEM. If there are some, gravity accepts no
	// bundle but one that one of them signed.
	TrustedKeys []string
	// Args follow the verb. They are stored: what is secret is in Stdin.
	Args  []string
	Stdin []byte
}

// The states of operations, as in attributes operation_status.
const (
	// Running may also mean that nobody knows: the machine could not be asked.
	Running   = "running"
	Completed = "completed"
	Failed    = "failed"
	// Refused says that there is no operation: gravity did not begin.
	Refused = "refused"
	// Busy is Refused for now: others have to end before.
	Busy = "busy"
)

// Result is how far an operation is.
type Result struct {
	// ID is that of gravity; empty if it is not known.
	ID     string
	Status string
	// Phase is the first phase that failed.
	Phase string
	// Err is why it failed or was refused, or why nobody knows whether it runs.
	Err error
}

// Check refuses a machine with an operation of another cluster.
func (o *Operation) Check(ctx context.Context) error {
	plan, err := o.Plan(ctx)
	switch {
	case err != nil && !errors.Is(err, ErrNoPlan):
		return err
	case err == nil && plan.ClusterName != o.Cluster:
		return cli.WithHint(fmt.Errorf("%s has operation %s of cluster %s", o.Machine, plan.OperationID, plan.ClusterName),
			"use another machine, or remove what is there with 'gravity leave --force' on it")
	}
	return nil
}

// Start starts the operation unless it was started, and takes up again what was
// cut off. Check comes before.
func (o *Operation) Start(ctx context.Context) error {
	_, err := o.Machine.StartDetached(ctx, node.Detached{Key: o.Key, Args: o.command(), Stdin: o.Stdin})
	return err
}

// command is operate.sh with its arguments.
func (o *Operation) command() []string {
	args := []string{"sh", "-c", operateScript, "operate", o.Verb, o.Machine.StateDir(), o.Program}
	for _, optional := range []string{o.Bundle, strings.TrimPrefix(o.IndexDigest, "sha256:"), strings.TrimPrefix(o.ProgramDigest, "sha256:")} {
		args = append(args, cmp.Or(optional, "-"))
	}
	args = append(args, strconv.Itoa(len(o.TrustedKeys)))
	args = append(args, o.TrustedKeys...)
	return append(args, o.Args...)
}

// restarts bounds how often an operation is started again that a loss of power cut
// off.
const restarts = 5

// Wait waits until the operation has ended, and hands what it says to progress. If
// the context ends before, or the machine does not let us in any more, it is
// Running.
func (o *Operation) Wait(ctx context.Context, progress io.Writer) Result {
	seen := &watcher{to: progress}
	for attempt := 1; ; attempt++ {
		outcome, err := o.Machine.Wait(ctx, o.Key, seen)
		if errors.Is(err, node.ErrInterrupted) && attempt < restarts {
			err = o.Start(ctx)
			if err == nil {
				continue
			}
		}
		if err != nil {
			return Result{ID: seen.id, Status: Running, Err: err}
		}
		return o.judge(ctx, seen.id, outcome)
	}
}

// judge tells how an operation went whose command has ended. The plan on the
// machine counts, not the exit code: the command may have been cut off after the
// last phase, and started again.
func (o *Operation) judge(ctx context.Context, id string, outcome node.Outcome) Result {
	said := outcome.Err(o.Machine.String())
	if outcome.ExitCode == cli.ExitBusy {
		return Result{Status: Busy, Err: said}
	}
	plan, err := o.Plan(ctx)
	switch {
	case errors.Is(err, ErrNoPlan) && said != nil:
		return Result{Status: Refused, Err: said}
	case errors.Is(err, ErrNoPlan):
		return Result{Status: Refused, Err: fmt.Errorf("%s: gravity %s has left nothing", o.Machine, o.Verb)}
	case err != nil:
		return Result{ID: id, Status: Running, Err: err}
	case plan.ClusterName != o.Cluster:
		return Result{Status: Refused, Err: said}
	}
	result := Examine(plan)
	if result.Status != Completed {
		if said == nil {
			said = fmt.Errorf("operation %s has not ended", plan.OperationID)
		}
		result.Status, result.Err = Failed, said
	}
	return result
}

// Examine tells how far a plan is: Completed, Failed or Running.
func Examine(plan node.Plan) Result {
	result := Result{ID: plan.OperationID, Status: Completed}
	each(plan.Phases, func(leaf node.Phase) {
		switch leaf.State {
		case "completed":
		case "failed":
			if result.Status != Failed {
				result.Status, result.Phase = Failed, leaf.ID
				if leaf.Error != nil {
					result.Err = &cli.Error{Err: errors.New(leaf.Error.Message), Hints: leaf.Error.Hints}
				}
			}
		default:
			if result.Status == Completed {
				result.Status = Running
			}
		}
	})
	return result
}

// Begun tells whether a phase of the plan, or one below it, has begun.
func Begun(plan node.Plan, id string) bool {
	begun := false
	each(plan.Phases, func(leaf node.Phase) {
		if leaf.ID == id || strings.HasPrefix(leaf.ID, id+"/") {
			begun = begun || leaf.State != "" && leaf.State != "unstarted" && leaf.State != "rolled_back"
		}
	})
	return begun
}

// each visits the leaves of a plan in their order.
func each(phases []node.Phase, visit func(node.Phase)) {
	for _, phase := range phases {
		if len(phase.Phases) == 0 {
			visit(phase)
		}
		each(phase.Phases, visit)
	}
}

// ErrNoPlan says that the machine has no operation: it is no node, and does not
// become one.
var ErrNoPlan = errors.New("the machine has no operation")

// noOperation is what gravity says then.
const noOperation = "no operation found."

// Plan is that of the machine's operation, or ErrNoPlan. It asks the program that is
// there: the one to be, or the installed one.
func (o *Operation) Plan(ctx context.Context) (node.Plan, error) {
	plan, err := o.Machine.WithGravity(o.Program).Plan(ctx, "")
	if missing(err) {
		plan, err = o.Machine.Plan(ctx, "")
	}
	if said, ok := errors.AsType[*node.GravityError](err); missing(err) || ok && strings.Contains(said.Message, noOperation) {
		return plan, fmt.Errorf("%w: %w", ErrNoPlan, err)
	}
	return plan, err
}

// missing tells that there is no such program yet, or that it cannot be executed.
func missing(err error) bool {
	exit, ok := errors.AsType[*connection.ExitError](err)
	return errors.Is(err, node.ErrNoGravity) || ok && exit.Code == 126
}

// Forget lets the operation be started anew. It must not run.
func (o *Operation) Forget(ctx context.Context) error { return o.Machine.Forget(ctx, o.Key) }

// watcher finds the operation's ID in what gravity prints.
type watcher struct {
	to   io.Writer
	rest []byte
	id   string
}

// maxLine bounds a line of progress.
const maxLine = 64 << 10

func (w *watcher) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		line, rest, ok := bytes.Cut(w.rest, []byte("\n"))
		if !ok {
			break
		}
		var object struct {
			Phase *struct {
				OperationID string `json:"operationId"`
			} `json:"phase"`
		}
		if json.Unmarshal(line, &object) == nil && object.Phase != nil && object.Phase.OperationID != "" {
			w.id = object.Phase.OperationID
		}
		w.rest = rest
	}
	if len(w.rest) > maxLine {
		w.rest = nil
	}
	if w.to == nil {
		return len(p), nil
	}
	return w.to.Write(p)
}

package removal

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/member"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation/disk"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// Wait waits until an operation that was launched has ended or does not go on, and
// fails if it has not completed.
func Wait(ctx context.Context, p paths.Paths, launched *Launched) (operation.State, error) {
	if launched.record == nil {
		return waitHere(ctx, disk.New(p.Operations()), launched.OperationID, active)
	}
	client, err := kube.Open(p.KubernetesFile("admin.conf"))
	if err != nil {
		return "", err
	}
	r := launched.record
	w := &watcher{
		client: client, operationID: launched.OperationID, leaving: *r.leaving, before: r.removals[r.leaving.Node.Nodename],
		resume: func(ctx context.Context, leaving *departing, operationID string) (bool, error) {
			answer, err := askLead(ctx, p, leaving, operationID, false)
			if err != nil {
				return false, err
			}
			return answer.Started, nil
		},
	}
	return w.wait(ctx)
}

// active tells whether the unit runs that executes an operation.
func active(ctx context.Context, operationID string) bool {
	return exec.CommandContext(ctx, "systemctl", "is-active", "--quiet", unitPrefix+operationID).Run() == nil
}

// waitHere waits for an operation of this master, until the process is gone that
// executes it: then others may change what there is.
func waitHere(ctx context.Context, store *disk.Store, operationID string, active func(context.Context, string) bool) (operation.State, error) {
	for {
		// Asked before the store is read: what a process did that has ended counts.
		running := active(ctx, operationID)
		executed, err := store.Executed(ctx, operationID)
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		if err != nil {
			return "", err
		}
		found, err := store.Read(ctx, operationID)
		switch {
		case err != nil:
			return "", err
		case running || executed:
		case !found.Active():
			return found.State(), nil
		default:
			return operation.InProgress, failure(found)
		}
		if err := pause(ctx); err != nil {
			return "", err
		}
	}
}

// failure is why an operation does not go on.
func failure(found *operation.Operation) error {
	for _, phase := range slices.Backward(found.Resolve().Phases) {
		if phase.State == operation.Failed && phase.Error != nil {
			return &cli.Error{Err: fmt.Errorf("phase %s: %s", phase.ID, phase.Error.Message), Hints: phase.Error.Hints}
		}
	}
	return cli.WithHint(errors.New("the operation was interrupted"), "read 'journalctl -u %s%s'", unitPrefix, found.Plan.OperationID)
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(500 * time.Millisecond):
		return nil
	}
}

const (
	// resumeInterval is how often the master that executes an operation is told to go
	// on, in case that its process has died or its machine started anew.
	resumeInterval = 10 * time.Second
	// lostTimeout is how long it may not answer, and maxStarts how often its process may
	// end without a reason in the record.
	lostTimeout = 5 * time.Minute
	maxStarts   = 3
)

// watcher waits for an operation of another master, by the cluster's record.
type watcher struct {
	client      *kube.Client
	operationID string
	leaving     departing
	// before is when the node had been removed last, before the operation was launched.
	before time.Time
	// resume has a master execute its operation again, unless it does or that is over,
	// and tells whether it had to be started. It may be repeated.
	resume func(ctx context.Context, leaving *departing, operationID string) (started bool, err error)

	asked, heard time.Time
	starts       int
}

func (w *watcher) wait(ctx context.Context) (operation.State, error) {
	w.asked, w.heard = time.Now(), time.Now()
	for {
		if state, err := w.look(ctx); err != nil || state != operation.InProgress {
			return state, err
		}
		if err := pause(ctx); err != nil {
			return "", err
		}
	}
}

func (w *watcher) look(ctx context.Context) (operation.State, error) {
	r, err := readRecord(ctx, w.client)
	if err != nil {
		return "", err
	}
	name := w.leaving.Node.Nodename
	if r.operation == w.operationID && r.leaving != nil {
		if r.leaving.Failure != "" {
			return operation.InProgress, fmt.Errorf("on master %s: %s", w.leaving.Lead.Nodename, r.leaving.Failure)
		}
		return operation.InProgress, w.goOn(ctx)
	}
	if r.leaving.of(name) { // another master has taken it over
		w.operationID, w.leaving, w.heard, w.starts = r.operation, *r.leaving, time.Now(), 0
		return operation.InProgress, nil
	}
	removals, err := member.Removals(ctx, w.client)
	if err != nil {
		return "", err
	}
	// Times of removals are whole seconds, by the clock of the master that executed it.
	removed := removals[name]
	if removed.IsZero() || removed.Equal(w.before) && removed.Before(w.leaving.Began.Truncate(time.Second)) {
		return operation.Failed, fmt.Errorf("operation %s of master %s was ended, and node %s was not removed",
			w.operationID, w.leaving.Lead.Nodename, name)
	}
	return operation.Completed, nil
}

// goOn tells the master now and then to go on.
func (w *watcher) goOn(ctx context.Context) error {
	if time.Since(w.asked) < resumeInterval {
		return nil
	}
	w.asked = time.Now()
	started, err := w.resume(ctx, &w.leaving, w.operationID)
	name, lead := w.leaving.Node.Nodename, w.leaving.Lead.Nodename
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil && time.Since(w.heard) >= lostTimeout:
		return cli.WithHint(fmt.Errorf("master %s, which removes the node: %w", lead, err),
			"start it, or take the removal over with 'gravity remove %s' on a master that answers", name)
	case err != nil:
		return nil //nolint:nilerr // it is asked again
	}
	w.heard = time.Now()
	if !started {
		return nil
	}
	if w.starts++; w.starts > maxStarts {
		return cli.WithHint(fmt.Errorf("master %s, which removes the node, was told %d times to go on, and does not", lead, maxStarts),
			"read 'journalctl -u %s%s' there", unitPrefix, w.operationID)
	}
	return nil
}

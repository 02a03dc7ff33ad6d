package removal

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// began is when the operation that is waited for did.
var began = time.Date(2026, 1, 1, 12, 0, 0, 500_000_000, time.UTC)

func newWatcher(client *kube.Client) *watcher {
	return &watcher{
		client: client, operationID: "shrink-1", before: began.Add(-time.Hour).Truncate(time.Second),
		leaving: departing{Node: operation.Server{Nodename: "node-3"}, Lead: operation.Server{Nodename: "node-1"}, Began: began},
		resume:  func(context.Context, *departing, string) (bool, error) { return false, nil },
		asked:   time.Now(), heard: time.Now(),
	}
}

// TestWatch tells by the record and the time of the last removal how an operation of
// another master is.
func TestWatch(t *testing.T) {
	failed := claimed("shrink-1", "node-3")
	failed[leavingKey] = strings.Replace(failed[leavingKey].(string), `{"node"`, `{"failure":"no room","node"`, 1)
	active := map[string]any{"state": "active"}
	for _, test := range []struct {
		name    string
		record  map[string]any
		removed time.Duration // after it began
		want    operation.State
		err     string
	}{
		{"executed", claimed("shrink-1", "node-3"), -time.Hour, operation.InProgress, ""},
		{"after the removal from Kubernetes", claimed("shrink-1", "node-3"), time.Minute, operation.InProgress, ""},
		{"failed", failed, -time.Hour, operation.InProgress, "on master node-1: no room"},
		{"ended", active, time.Minute, operation.Completed, ""},
		{"ended at once", active, 0, operation.Completed, ""},
		{"ended, and another one leaves", claimed("shrink-2", "node-2"), time.Minute, operation.Completed, ""},
		{"ended by a clock that is late", active, -time.Minute, operation.Completed, ""},
		{"rolled back", active, -time.Hour, operation.Failed, "node node-3 was not removed"},
		{"taken over", claimed("shrink-2", "node-3"), -time.Hour, operation.InProgress, ""},
	} {
		a, client, _ := newAPI(t)
		a.PutData("cluster", test.record)
		a.PutData("removed-nodes", map[string]any{"node-3": began.Add(test.removed).Format(time.RFC3339)})
		w := newWatcher(client)
		state, err := w.look(t.Context())
		if state != test.want || (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %s, %v", test.name, state, err)
		}
		if taken := test.name == "taken over"; (w.operationID == "shrink-2") != taken {
			t.Errorf("%s: operation %s is waited for", test.name, w.operationID)
		}
	}
}

// TestWatchGoesOn tells the master to go on whose process has died, and gives up when
// that does not help or it does not answer for long.
func TestWatchGoesOn(t *testing.T) {
	for _, test := range []struct {
		name    string
		started bool
		silent  bool
		within  time.Duration // until it fails; zero is never
		err     string
	}{
		{"executed", false, false, 0, ""},
		{"dies each time", true, false, (maxStarts + 1) * resumeInterval, "was told 3 times to go on, and does not"},
		{"does not answer", false, true, lostTimeout + resumeInterval, "master node-1, which removes the node: no answer"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w, calls := newWatcher(nil), 0
			w.resume = func(_ context.Context, leaving *departing, operationID string) (bool, error) {
				calls++
				if leaving.Node.Nodename != "node-3" || operationID != "shrink-1" {
					t.Errorf("asks for %s of %s", operationID, leaving.Node.Nodename)
				}
				if test.silent {
					return false, errors.New("no answer")
				}
				return test.started, nil
			}
			began, limit := time.Now(), 2*lostTimeout
			var err error
			for err == nil && time.Since(began) < limit {
				if err = w.goOn(t.Context()); err == nil {
					err = pause(t.Context())
				}
			}
			took := time.Since(began)
			if (err != nil) != (test.err != "") || err != nil && (!strings.Contains(err.Error(), test.err) || len(cli.Hints(err)) != 1 || took > test.within+time.Second) {
				t.Errorf("%s: %v after %s", test.name, err, took)
			}
			if most := int(took / resumeInterval); calls > most || calls < most-1 {
				t.Errorf("%s: asked %d times in %s", test.name, calls, took)
			}
		})
	}
}

// TestWaitHere reads the store when nothing executes the operation any more.
func TestWaitHere(t *testing.T) {
	_, _, p := newAPI(t)
	plan := newPlan(t, "", false)
	store := storeOf(t, p, plan, operation.InProgress)
	running := 2
	active := func(context.Context, string) bool { running--; return running > 0 }
	state, err := waitHere(t.Context(), store, "shrink-1", active)
	if state != operation.InProgress || err == nil || err.Error() != "the operation was interrupted" ||
		strings.Join(cli.Hints(err), "") != "read 'journalctl -u gravity-operation-shrink-1'" {
		t.Errorf("interrupted: %s, %v, hints %q", state, err, cli.Hints(err))
	}
	enter(t, store, plan, "/init", operation.Failed, &operation.Failure{Message: "no room", Hints: []string{"make some"}})
	if state, err = waitHere(t.Context(), store, "shrink-1", active); state != operation.InProgress || err == nil || err.Error() != "phase /init: no room" {
		t.Errorf("failed: %s, %v", state, err)
	}
	// What failed before is no reason, when it was tried again.
	enter(t, store, plan, "/init", operation.Completed, nil)
	if _, err = waitHere(t.Context(), store, "shrink-1", active); err == nil || err.Error() != "the operation was interrupted" {
		t.Errorf("interrupted later: %v", err)
	}
	ended := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := func(context.Context, string) bool { cancel(ended); return false }
	if _, err = waitHere(ctx, store, "shrink-1", stopped); !errors.Is(err, ended) {
		t.Errorf("when the context has ended: %v", err)
	}
	enter(t, store, plan, operation.OperationPhase, operation.Completed, nil)
	running = 2
	if state, err = waitHere(t.Context(), store, "shrink-1", active); state != operation.Completed || err != nil || running > 0 {
		t.Errorf("completed: %s, %v", state, err)
	}
	if _, err = waitHere(t.Context(), store, "shrink-2", active); !errors.Is(err, operation.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
}

// TestForgive takes the failure of the attempt before out of the record.
func TestForgive(t *testing.T) {
	a, client, p := newAPI(t)
	store := storeOf(t, p, newPlan(t, "", false), operation.Completed)
	failed := claimed("shrink-1", "node-3")
	failed[leavingKey] = strings.Replace(failed[leavingKey].(string), `{"node"`, `{"failure":"no room","node"`, 1)
	a.PutData("cluster", failed)
	found, err := store.Read(t.Context(), "shrink-1")
	if err == nil {
		err = again(t.Context(), p, store, found)
	}
	if err != nil {
		t.Fatal(err)
	}
	if r, err := readRecord(t.Context(), client); err != nil || r.leaving == nil || r.leaving.Failure != "" || r.operation != "shrink-1" {
		t.Errorf("the record is %+v, %v", r, err)
	}
}

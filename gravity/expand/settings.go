// Package expand makes a machine a node of a cluster that exists: its phases are
// executors of package operation, each of them idempotent. The machine does them
// itself; what must happen on a master is asked of one, through package
// bootstrap.
package expand

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/bootstrap"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kubeadm"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// Settings are what a machine was told and has found out when it begins to join.
// They are part of the plan and hold no secrets.
type Settings struct {
	// Node is the node to be.
	Node node.Node `json:"node"`
	// Cluster has the cluster's facts, View who the masters are.
	Cluster cluster.Facts  `json:"cluster"`
	View    bootstrap.View `json:"view"`
	// Size is that of all packages, in bytes.
	Size int64 `json:"size"`
	// SkipChecks are names of preflight checks to skip; ChecksOff skips all (S15).
	SkipChecks []string `json:"skip_checks,omitempty"`
	ChecksOff  bool     `json:"checks_off,omitempty"`
}

func (s *Settings) encode() (json.RawMessage, error) { return json.Marshal(s) }

// NotWithdrawnError is about a machine whose member of etcd the masters could not
// remove: without it they may lose the majority.
type NotWithdrawnError struct{ err error }

func (e *NotWithdrawnError) Error() string {
	return "this machine may be a member of etcd, which the masters do not remove: " + e.err.Error()
}

func (e *NotWithdrawnError) Unwrap() error { return e.err }

// Abandon withdraws this machine from a cluster that it did not come to be a node of,
// as far as masters answer. What it returns ends the join when nothing of it runs here
// any more, so that others need not wait until it is known to be dead; nil if the
// operation is no join. The error is a NotWithdrawnError if a master has refused to
// do without its member of etcd, or could not.
func Abandon(ctx context.Context, p paths.Paths, plan *operation.Plan, log operation.Logger) (end func(context.Context) error, err error) {
	if plan.OperationType != operation.TypeExpand || len(plan.Phases) == 0 {
		return nil, nil
	}
	e, err := newEnvironment(p.Root, plan.OperationID, plan.Phases[0], log)
	if err != nil {
		return nil, err
	}
	if _, err := e.masters(); err != nil { // with the certificate, which is about to go
		return nil, err
	}
	begun := kubeadm.Begun(p)
	if begun {
		err = (&joinKubernetes{e}).withdraw(ctx, withdrawTimeout)
		if err != nil && !bootstrap.Silent(err) {
			err = &NotWithdrawnError{err}
		}
	}
	return func(ctx context.Context) error {
		defer e.client.Close()
		ctx, cancel := context.WithTimeout(ctx, abandonTimeout)
		defer cancel()
		steps := []bootstrap.Step{bootstrap.StepForget, bootstrap.StepAbandon}
		if !begun {
			steps = steps[1:]
		}
		for _, step := range steps {
			err := e.askWithin(ctx, abandonTimeout, step, nil)
			if errors.Is(err, bootstrap.ErrRemoved) {
				return nil // it was told before
			}
			if err != nil {
				return err
			}
		}
		return nil
	}, err
}

// withdrawTimeout is how long masters may take to remove a member of etcd, which may
// just be starting here.
const withdrawTimeout = time.Minute

// abandonTimeout is how long masters may take that a machine tells that it does not
// join any more.
const abandonTimeout = 15 * time.Second

package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	roster "github.com/gravity-platform/terraform-provider-gravity/gravity/member"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

const giveUp = "give this join up with 'gravity leave --force', and join again with a token"

// hold keeps the join's place, or takes it again if it was abandoned: then as if it
// joined now, since others may have joined meanwhile. What ends a join needs no
// place.
func (w *work) hold(ctx context.Context, step Step) error {
	ends := slices.Contains([]Step{StepForget, StepWithdraw, StepRelease, StepAbandon}, step)
	taken := false
	err := changeJoins(ctx, w.client, time.Now, func(joins map[string]join) error {
		held, found := joins[w.join.Operation]
		taken = false
		switch {
		case found && !held.of(w.join.Request):
			return refuse(http.StatusForbidden, fmt.Errorf("operation %s is that of node %s", w.join.Operation, held.Name))
		case found:
			w.join = held
		case ends:
			return nil
		default:
			if joined, err := w.enterAgain(ctx, joins, step); err != nil || joined {
				return err
			}
			taken = true
		}
		w.join.Heard = time.Now().UTC()
		joins[w.join.Operation] = w.join
		return nil
	})
	if err == nil && taken {
		err = confirm(ctx, w.client, w.join.Operation)
	}
	return err
}

// confirm gives a place up again that was taken while a removal began: each looks for
// the other after it has written down itself, so that one of them sees the other.
func confirm(ctx context.Context, client *kube.Client, operation string) error {
	facts, err := cluster.Read(ctx, client)
	if err != nil {
		return err
	}
	if err := checkState(facts.State); err != nil {
		return errors.Join(refuse(http.StatusConflict, err), changeJoins(ctx, client, time.Now, func(joins map[string]join) error {
			delete(joins, operation)
			return nil
		}))
	}
	return nil
}

// enterAgain takes the place of a join again. A node that has joined needs none: it
// may only repeat what comes last.
func (w *work) enterAgain(ctx context.Context, joins map[string]join, step Step) (joined bool, err error) {
	records, err := roster.Records(ctx, w.client)
	if err != nil {
		return false, err
	}
	record, known := records[w.join.Name]
	switch {
	case !known:
		return false, w.admitAgain(ctx, joins)
	case record.Address != w.join.Address:
		return false, refuse(http.StatusConflict, cli.WithHint(fmt.Errorf("node %s is another machine, at %s", w.join.Name, record.Address), giveUp))
	case record.Join == "" && (step == StepRenew || step == StepReady):
		w.join.Role, w.join.Master = record.Role, record.Master
		return true, nil
	case record.Join == "":
		return false, refuse(http.StatusConflict, fmt.Errorf("node %s has joined already", w.join.Name))
	case record.Join != w.join.Operation:
		return false, refuse(http.StatusConflict, cli.WithHint(fmt.Errorf("node %s joins by operation %s now", w.join.Name, record.Join), giveUp))
	}
	w.join.Role, w.join.Master = record.Role, record.Master
	a := &admission{facts: w.facts, joins: joins}
	if err := a.check(w.join.Request); err != nil {
		return false, refuse(http.StatusConflict, err)
	}
	if err := a.checkNamesake(w.join.Request); err != nil {
		return false, refuse(http.StatusConflict, err)
	}
	if err := checkOthers(w.join, a.others(w.join.Request)); err != nil {
		return false, refuse(http.StatusConflict, err)
	}
	return false, nil
}

// admitAgain admits a machine that has not registered yet and lost its place.
func (w *work) admitAgain(ctx context.Context, joins map[string]join) error {
	m, err := w.application(w.client, w.facts).Manifest(ctx)
	if err != nil {
		return err
	}
	nodes, err := members(ctx, w.client)
	if err != nil {
		return err
	}
	a := &admission{facts: w.facts, manifest: m, members: nodes, joins: joins}
	admitted, err := a.admit(w.join.Request, time.Now().UTC())
	if err != nil {
		return refuse(http.StatusConflict, err)
	}
	if admitted.Master != w.join.Master {
		rank := "a master"
		if !admitted.Master {
			rank = "no master"
		}
		return refuse(http.StatusConflict, cli.WithHint(fmt.Errorf("node %s would be %s now: others have joined or left since it began", w.join.Name, rank), giveUp))
	}
	return nil
}

// release gives the place up, and removes what the join needed.
func (w *work) release(ctx context.Context) (any, error) {
	_, err := w.end(ctx)
	return struct{}{}, err
}

// abandon gives the place up of a machine that forgets all that it has got: its
// certificate counts no more.
func (w *work) abandon(ctx context.Context) (any, error) {
	node, err := w.end(ctx)
	if err != nil || node != nobodys {
		return struct{}{}, err
	}
	return struct{}{}, roster.Remove(ctx, w.client, w.join.Name, time.Now())
}

// owner is whose a node's name is.
type owner int

const (
	nobodys owner = iota
	itsOwn
	anothers
)

// end ends the join, and tells whose the name is then.
func (w *work) end(ctx context.Context) (owner, error) {
	found := nobodys
	err := changeJoins(ctx, w.client, time.Now, func(joins map[string]join) error {
		found = nobodys
		delete(joins, w.join.Operation)
		for _, j := range joins {
			if j.Name == w.join.Name {
				found = anothers
			}
		}
		return nil
	})
	if err != nil {
		return found, err
	}
	if err := removeTokens(ctx, w.client, w.join.Operation); err != nil || found == anothers {
		return found, err
	}
	records, err := roster.Records(ctx, w.client)
	if err != nil {
		return found, err
	}
	record, known := records[w.join.Name]
	if known && record.Join != w.join.Operation {
		if record.Address == w.join.Address && record.Join == "" {
			return itsOwn, nil
		}
		return anothers, nil
	}
	_, err = w.client.Resource(kube.Nodes, "").Get(ctx, w.join.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		// A join that was given up leaves no right to register.
		return nobodys, roster.Drop(ctx, w.client, w.join.Name)
	case err != nil:
		return found, err
	case !known:
		return anothers, nil // it is not this join's
	}
	record.Join = ""
	return itsOwn, roster.Put(ctx, w.client, w.join.Name, record)
}

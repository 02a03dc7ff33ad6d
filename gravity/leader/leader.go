// Package leader elects one of the masters' agents, to do what is done once for
// the whole cluster, and keeps the names of the leader at masters that serve
// (S18).
package leader

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
)

// Namespace is where what belongs to the leader is, and Name what it is called:
// the lease, and the service that has the addresses of masters.
const (
	Namespace = "gravity-system"
	Name      = "leader"
)

var leases = schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}

// Elector takes part in the election, by the lease that all masters know. It is
// not client-go's, which links the clients of all kinds there are.
type Elector struct {
	// Client returns the client of the API servers: there is none while the cluster
	// is being installed, and another one when certificates were renewed.
	Client func() (*kube.Client, error)
	// Identity is the node's name.
	Identity string
	// Lead is called when this master becomes the leader. It returns when its
	// context ends, which is when the master is the leader no more.
	Lead func(context.Context)
	// Elected is called when another master is seen to be the leader, and with the
	// first one that is seen; it may be nil.
	Elected func(name string)
	// Log receives who leads.
	Log *slog.Logger

	terms terms
	// seen is the lease as it was when it last changed, by this machine's clock:
	// those of others may differ.
	seen   string
	seenAt time.Time
	holder string
}

// terms are how long a leader leads.
type terms struct {
	// lease is how long others wait for a leader that does not renew it, renew how
	// long the leader goes on after it began to renew it the last time, and retry is
	// the time between attempts, from begin to begin.
	lease, renew, retry time.Duration
}

// usual terms: a lost leader is followed by another within a quarter of a minute.
var usual = terms{lease: 12 * time.Second, renew: 8 * time.Second, retry: 2 * time.Second}

// Run takes part until the context ends, and gives the lease up then.
func (e *Elector) Run(ctx context.Context) error {
	if e.terms == (terms{}) {
		e.terms = usual
	}
	for ctx.Err() == nil {
		began := time.Now()
		if held, err := e.attempt(ctx); err != nil || !held {
			e.pause(ctx, began)
			continue
		}
		e.lead(ctx, began)
	}
	return nil
}

// pause waits until it is time for the attempt after one.
func (e *Elector) pause(ctx context.Context, began time.Time) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Until(began.Add(e.terms.retry))):
	}
}

// lead leads while the lease, which was renewed by an attempt that began then, can
// be renewed again in time.
func (e *Elector) lead(ctx context.Context, renewed time.Time) {
	leading, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		e.Lead(leading)
	}()
	for began := renewed; leading.Err() == nil; {
		term, end := context.WithDeadline(leading, renewed.Add(e.terms.renew))
		e.pause(term, began)
		began = time.Now()
		held, err := e.attempt(term)
		switch {
		case err == nil && held:
			renewed = began
		case err == nil || errors.Is(term.Err(), context.DeadlineExceeded):
			e.Log.Info("this master is not the leader any more", "error", err)
			stop()
		}
		end()
	}
	stop()
	<-ended
	if ctx.Err() != nil {
		e.release()
	}
}

// attempt takes the lease if it is free, and renews it if this master has it. It
// tells whether this master has it then.
func (e *Elector) attempt(ctx context.Context) (bool, error) {
	client, err := e.Client()
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, e.terms.renew/2)
	defer cancel()
	resource := client.Resource(leases, Namespace)
	lease, err := resource.Get(ctx, Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		lease = &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": map[string]any{"name": Name, "namespace": Namespace},
		}}
		e.fill(lease, e.Identity)
		lease, err = resource.Create(ctx, lease, metav1.CreateOptions{FieldManager: kube.Manager})
		return e.look(lease, err)
	}
	if held, err := e.look(lease, err); err != nil || !held && e.holder != "" && time.Since(e.seenAt) < e.terms.lease {
		return false, err
	}
	e.fill(lease, e.Identity)
	// The version makes it fail if another one was quicker.
	lease, err = resource.Update(ctx, lease, metav1.UpdateOptions{FieldManager: kube.Manager})
	if apierrors.IsConflict(err) {
		return false, nil
	}
	return e.look(lease, err)
}

// look remembers whose a lease is, and tells whether it is this master's.
func (e *Elector) look(lease *unstructured.Unstructured, err error) (bool, error) {
	if err != nil {
		return false, fmt.Errorf("the leader's lease: %w", err)
	}
	holder, _, _ := unstructured.NestedString(lease.Object, "spec", "holderIdentity")
	if holder != e.holder && holder != "" {
		e.Log.Info("the leader", "node", holder)
		if e.Elected != nil {
			e.Elected(holder)
		}
	}
	if version := lease.GetResourceVersion(); version != e.seen {
		e.seen, e.seenAt = version, time.Now()
	}
	e.holder = holder
	return holder == e.Identity, nil
}

func (e *Elector) fill(lease *unstructured.Unstructured, holder string) {
	spec, _, _ := unstructured.NestedMap(lease.Object, "spec")
	if spec == nil {
		spec = map[string]any{}
	}
	now := time.Now().UTC().Format(metav1.RFC3339Micro)
	if spec["holderIdentity"] != holder {
		transitions, _ := spec["leaseTransitions"].(int64)
		spec["holderIdentity"], spec["acquireTime"], spec["leaseTransitions"] = holder, now, transitions+1
	}
	spec["leaseDurationSeconds"], spec["renewTime"] = int64(max(e.terms.lease/time.Second, 1)), now
	lease.Object["spec"] = spec
}

// release lets another master lead at once.
func (e *Elector) release() {
	client, err := e.Client()
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), e.terms.renew/2)
	defer cancel()
	resource := client.Resource(leases, Namespace)
	lease, err := resource.Get(ctx, Name, metav1.GetOptions{})
	if held, err := e.look(lease, err); err != nil || !held {
		return // it expires
	}
	e.fill(lease, "")
	_, _ = resource.Update(ctx, lease, metav1.UpdateOptions{FieldManager: kube.Manager}) // or it expires
}

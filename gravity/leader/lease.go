package leader

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
)

// patience is how long it takes until a lease that is not renewed is a problem.
type patience struct {
	// age is how old the lease may be by this machine's clock. One that seems older,
	// or to be of the future, is watched for a time, and read again after each poll:
	// the leader's clock may be another one.
	age, watch, poll time.Duration
}

var usualPatience = patience{age: time.Minute, watch: 10 * time.Second, poll: time.Second}

// CheckRenewed fails if nobody renews the leader's lease: no master leads, or nothing
// in the cluster can be changed. A cluster that is being made has no lease yet.
func CheckRenewed(ctx context.Context, client *kube.Client) error {
	return usualPatience.check(ctx, client)
}

func (p patience) check(ctx context.Context, client *kube.Client) error {
	lease, err := readLease(ctx, client)
	if err != nil || lease == nil {
		return err
	}
	text, _, _ := unstructured.NestedString(lease.Object, "spec", "renewTime")
	renewed, err := time.Parse(metav1.RFC3339Micro, text)
	if err == nil && time.Since(renewed).Abs() <= p.age {
		return nil
	}
	for end := time.Now().Add(p.watch); time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(p.poll):
		}
		again, err := readLease(ctx, client)
		if err != nil {
			return err
		}
		if again == nil || again.GetResourceVersion() != lease.GetResourceVersion() {
			return nil
		}
	}
	holder, _, _ := unstructured.NestedString(lease.Object, "spec", "holderIdentity")
	return fmt.Errorf("no master leads: the lease %s/%s was last renewed at %s, by node %q; agents of masters are stopped, or nothing in "+
		"the cluster can be changed, see 'journalctl -u gravity-agent' on the masters", Namespace, Name, text, holder)
}

// readLease is nil if there is none.
func readLease(ctx context.Context, client *kube.Client) (*unstructured.Unstructured, error) {
	lease, err := client.Resource(leases, Namespace).Get(ctx, Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // as the comment says
	}
	if err != nil {
		return nil, fmt.Errorf("the leader's lease: %w", err)
	}
	return lease, nil
}

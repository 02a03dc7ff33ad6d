package removal

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/member"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
)

// stateShrinking is the state of a cluster that loses a node.
const stateShrinking = cluster.StateShrinking

// recordName is the record of package cluster.
const recordName = "cluster"

// leavingKey has what the record says of the removal: departing.
const leavingKey = "leaving"

// record is what the cluster says of itself. It is the lock of removals, and all
// that another master needs to end one whose master is lost.
type record struct {
	object *unstructured.Unstructured
	// state is the cluster's, and operation the ID of the one that changed it.
	state, operation string
	// leaving is nil while no node is being removed.
	leaving *departing
	// removals are the times at which nodes were removed; only recorded reads them.
	removals map[string]time.Time
}

// departing is a removal that has begun.
type departing struct {
	// Node leaves; Lead is the master that has the plan and executes it.
	Node operation.Server `json:"node"`
	Lead operation.Server `json:"lead"`
	// Began is when its plan was made.
	Began time.Time `json:"began,omitzero"`
	// Failure is why it does not go on, if that is known.
	Failure string `json:"failure,omitempty"`
}

// of tells whether the removal is that of the node that a person calls so.
func (d *departing) of(name string) bool {
	return d != nil && member.Member{Server: d.Node}.Called(name)
}

func readRecord(ctx context.Context, client *kube.Client) (*record, error) {
	var object *unstructured.Unstructured
	err := kube.Retry(ctx, func(ctx context.Context) (err error) {
		object, err = client.Resource(kube.ConfigMaps, cluster.Namespace).Get(ctx, recordName, metav1.GetOptions{})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the cluster's record: %w", err)
	}
	r := &record{object: object}
	r.state, r.operation = r.value("state"), r.value("operation")
	if text := r.value(leavingKey); text != "" {
		r.leaving = new(departing)
		if err := json.Unmarshal([]byte(text), r.leaving); err != nil {
			return nil, fmt.Errorf("read the cluster's record: %s: %w", leavingKey, err)
		}
	}
	return r, nil
}

func (r *record) value(key string) string {
	value, _, _ := unstructured.NestedString(r.object.Object, "data", key)
	return value
}

// set writes a value, or takes an empty one away, and tells whether it is another.
func (r *record) set(key, value string) bool {
	if r.value(key) == value {
		return false
	}
	if value == "" {
		unstructured.RemoveNestedField(r.object.Object, "data", key)
	} else {
		_ = unstructured.SetNestedField(r.object.Object, value, "data", key)
	}
	return true
}

// encode writes the fields into the object and tells whether that changes it.
func (r *record) encode() (bool, error) {
	text := ""
	if r.leaving != nil {
		content, err := json.Marshal(r.leaving)
		if err != nil {
			return false, err
		}
		text = string(content)
	}
	changed := r.set("state", r.state)
	changed = r.set("operation", r.operation) || changed
	return r.set(leavingKey, text) || changed, nil
}

// attempts bounds how often a record is changed again that another changed.
const attempts = 20

// changeRecord changes the fields of the record, if a function still allows it. Of
// several that change it at the same time, one comes first and the others ask
// again.
func changeRecord(ctx context.Context, client *kube.Client, change func(*record) error) error {
	for attempt := 1; ; attempt++ {
		r, err := readRecord(ctx, client)
		if err != nil {
			return err
		}
		if err := change(r); err != nil {
			return err
		}
		changed, err := r.encode()
		if err != nil || !changed {
			return err
		}
		_, err = client.Resource(kube.ConfigMaps, cluster.Namespace).Update(ctx, r.object, metav1.UpdateOptions{FieldManager: kube.Manager})
		if err == nil {
			return nil
		}
		if !kube.Transient(err) || attempt == attempts {
			return fmt.Errorf("change the cluster's record: %w", err)
		}
		if !apierrors.IsConflict(err) {
			if err := pause(ctx); err != nil {
				return err
			}
		}
	}
}

package removal

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
)

// recordName is the record of package cluster.
const recordName = "cluster"

// record is what the cluster says of itself.
type record struct {
	object *unstructured.Unstructured
	// state is the cluster's, and operation the ID of the one that changed it.
	state, operation string
}

func readRecord(ctx context.Context, client *kube.Client) (*record, error) {
	object, err := client.Resource(kube.ConfigMaps, cluster.Namespace).Get(ctx, recordName, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read the cluster's record: %w", err)
	}
	r := &record{object: object}
	r.state, r.operation = r.value("state"), r.value("operation")
	return r, nil
}

func (r *record) value(key string) string {
	value, _, _ := unstructured.NestedString(r.object.Object, "data", key)
	return value
}

// attempts bounds how often a record is changed again that another changed.
const attempts = 10

// changeRecord changes the state, if a function still allows it: an empty
// operation takes the entry away. Of several that change it at the same time, one
// comes first and the others ask again.
func changeRecord(ctx context.Context, client *kube.Client, change func(*record) (state, operation string, err error)) error {
	for attempt := 1; ; attempt++ {
		r, err := readRecord(ctx, client)
		if err != nil {
			return err
		}
		state, operation, err := change(r)
		if err != nil || state == r.state && operation == r.operation {
			return err
		}
		_ = unstructured.SetNestedField(r.object.Object, state, "data", "state")
		_ = unstructured.SetNestedField(r.object.Object, operation, "data", "operation")
		if operation == "" {
			unstructured.RemoveNestedField(r.object.Object, "data", "operation")
		}
		_, err = client.Resource(kube.ConfigMaps, cluster.Namespace).Update(ctx, r.object, metav1.UpdateOptions{FieldManager: kube.Manager})
		if err == nil {
			return nil
		}
		if !apierrors.IsConflict(err) || attempt == attempts {
			return fmt.Errorf("change the cluster's record: %w", err)
		}
	}
}

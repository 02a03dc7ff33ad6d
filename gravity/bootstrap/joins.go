package bootstrap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
)

// joinsName is the ConfigMap that has the nodes on their way into the cluster:
// what masters agree on.
const joinsName = "joins"

// changeJoins changes the joins, as all masters know them. The function may be
// called several times, each time with what is true then, without those that are
// abandoned.
func changeJoins(ctx context.Context, client *kube.Client, now func() time.Time, change func(map[string]join) error) error {
	maps := client.Resource(kube.ConfigMaps, cluster.Namespace)
	for {
		object, err := maps.Get(ctx, joinsName, metav1.GetOptions{})
		missing := apierrors.IsNotFound(err)
		if missing {
			object, err = &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "v1", "kind": "ConfigMap",
				"metadata": map[string]any{"name": joinsName, "namespace": cluster.Namespace},
			}}, nil
		}
		if err != nil {
			return fmt.Errorf("read the joins: %w", err)
		}
		joins, err := decodeJoins(object, now())
		if err != nil {
			return err
		}
		if err := change(joins); err != nil {
			return err
		}
		if err := encodeJoins(object, joins); err != nil {
			return err
		}
		if missing {
			_, err = maps.Create(ctx, object, metav1.CreateOptions{FieldManager: kube.Manager})
		} else {
			_, err = maps.Update(ctx, object, metav1.UpdateOptions{FieldManager: kube.Manager})
		}
		if !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// Discard frees the place of a node that is removed before it has joined completely,
// and removes what its join needed.
func Discard(ctx context.Context, client *kube.Client, node string) error {
	var discarded []string
	err := changeJoins(ctx, client, time.Now, func(joins map[string]join) error {
		discarded = discarded[:0]
		for operation, j := range joins {
			if j.Name == node {
				discarded = append(discarded, operation)
				delete(joins, operation)
			}
		}
		return nil
	})
	for _, operation := range discarded {
		err = errors.Join(err, removeTokens(ctx, client, operation))
	}
	return err
}

func decodeJoins(object *unstructured.Unstructured, now time.Time) (map[string]join, error) {
	data, _, err := unstructured.NestedStringMap(object.Object, "data")
	if err != nil {
		return nil, fmt.Errorf("read the joins: %w", err)
	}
	joins := make(map[string]join, len(data))
	for operation, text := range data {
		var j join
		if err := json.Unmarshal([]byte(text), &j); err != nil {
			return nil, fmt.Errorf("read the joins: operation %s: %w", operation, err)
		}
		if now.Sub(j.Heard) < abandoned {
			joins[operation] = j
		}
	}
	return joins, nil
}

func encodeJoins(object *unstructured.Unstructured, joins map[string]join) error {
	data := make(map[string]string, len(joins))
	for operation, j := range joins {
		text, err := json.Marshal(j)
		if err != nil {
			return err
		}
		data[operation] = string(text)
	}
	return unstructured.SetNestedStringMap(object.Object, data, "data")
}

// members lists the nodes of the cluster.
func members(ctx context.Context, client *kube.Client) ([]member, error) {
	list, err := client.Resource(kube.Nodes, "").List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the nodes: %w", err)
	}
	found := make([]member, 0, len(list.Items))
	for i := range list.Items {
		node := &list.Items[i]
		_, master := node.GetLabels()[manifest.LabelControlPlane]
		m := member{name: node.GetName(), address: addressOf(node), master: master}
		if kube.Silent(node) {
			// Without a time it is as if it were silent for ever.
			m.silent = true
			m.since, _ = kube.Since(node, "Ready")
		}
		found = append(found, m)
	}
	return found, nil
}

// addressOf is how others reach a node; not valid if that is not known yet.
func addressOf(node *unstructured.Unstructured) netip.Addr {
	addresses, _, _ := unstructured.NestedSlice(node.Object, "status", "addresses")
	text := node.GetLabels()[kube.LabelAddress]
	for _, entry := range addresses {
		fields, _ := entry.(map[string]any)
		if internal, _ := fields["address"].(string); text == "" && fields["type"] == "InternalIP" {
			text = internal
		}
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return address
}

package member

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
)

// The ConfigMaps of what the cluster keeps of nodes, beside what Kubernetes does:
// labels of a Node may be changed by its kubelet or by hand.
const (
	// recordsName has a Record for each node that may register. The admission
	// policy of package access reads it, too.
	recordsName = "nodes"
	// removalsName has the time of the removal for each node that was removed.
	removalsName = "removed-nodes"
)

// Record is what the cluster keeps of a node.
type Record struct {
	// Role is its profile in the application manifest.
	Role    string     `json:"role"`
	Address netip.Addr `json:"address"`
	Master  bool       `json:"master"`
	// Join is the operation by which it joins; empty once it has joined.
	Join string `json:"join,omitempty"`
}

// Put records a node: from now on, its kubelet may register it.
func Put(ctx context.Context, client *kube.Client, name string, r Record) error {
	content, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return change(ctx, client, recordsName, map[string]any{name: string(content)})
}

// Records are those of all nodes, by their names.
func Records(ctx context.Context, client *kube.Client) (map[string]Record, error) {
	data, err := read(ctx, client, recordsName)
	if err != nil {
		return nil, err
	}
	records := make(map[string]Record, len(data))
	for name, text := range data {
		var r Record
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			return nil, fmt.Errorf("record of node %s: %w", name, err)
		}
		records[name] = r
	}
	return records, nil
}

// Drop forgets a node's record: its kubelet may not register it any more, and
// nobody puts its labels back.
func Drop(ctx context.Context, client *kube.Client, name string) error {
	return change(ctx, client, recordsName, map[string]any{name: nil})
}

// Remove records that a node was removed from the cluster: certificates that it
// got until then are void.
func Remove(ctx context.Context, client *kube.Client, name string, at time.Time) error {
	if err := Drop(ctx, client, name); err != nil {
		return err
	}
	return change(ctx, client, removalsName, map[string]any{name: at.UTC().Format(time.RFC3339)})
}

// Removals are the times at which nodes were removed, by their names.
func Removals(ctx context.Context, client *kube.Client) (map[string]time.Time, error) {
	data, err := read(ctx, client, removalsName)
	if err != nil {
		return nil, err
	}
	removals := make(map[string]time.Time, len(data))
	for name, text := range data {
		if removals[name], err = time.Parse(time.RFC3339, text); err != nil {
			return nil, fmt.Errorf("removal of node %s: %w", name, err)
		}
	}
	return removals, nil
}

// Readmit lets a certificate count that was issued now to a machine with the name
// of a node that was removed: by the clock of another master the removal may be
// later.
func Readmit(ctx context.Context, client *kube.Client, name string, issued time.Time) error {
	removals, err := Removals(ctx, client)
	if err != nil {
		return err
	}
	if at, found := removals[name]; !found || at.Before(issued) {
		return nil
	}
	return change(ctx, client, removalsName, map[string]any{name: issued.Add(-time.Second).UTC().Format(time.RFC3339)})
}

func read(ctx context.Context, client *kube.Client, name string) (map[string]string, error) {
	object, err := client.Resource(kube.ConfigMaps, cluster.Namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read ConfigMap %s: %w", name, err)
	}
	data, _, err := unstructured.NestedStringMap(object.Object, "data")
	if err != nil {
		return nil, fmt.Errorf("read ConfigMap %s: %w", name, err)
	}
	return data, nil
}

// change sets or, with nil, removes entries. Other entries stay as they are,
// whoever changes them at the same time.
func change(ctx context.Context, client *kube.Client, name string, data map[string]any) error {
	content, err := json.Marshal(map[string]any{"data": data})
	if err != nil {
		return err
	}
	maps := client.Resource(kube.ConfigMaps, cluster.Namespace)
	patch := func() error {
		_, err := maps.Patch(ctx, name, types.MergePatchType, content, metav1.PatchOptions{FieldManager: kube.Manager})
		return err
	}
	err = patch()
	if apierrors.IsNotFound(err) {
		_, err = maps.Create(ctx, &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap",
			"metadata": map[string]any{"name": name, "namespace": cluster.Namespace},
		}}, metav1.CreateOptions{FieldManager: kube.Manager})
		if err == nil || apierrors.IsAlreadyExists(err) {
			err = patch()
		}
	}
	if err != nil {
		return fmt.Errorf("change ConfigMap %s: %w", name, err)
	}
	return nil
}

package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// Cordon keeps new pods from a node, or lets them come again. A node that is
// gone is no error.
func (c *Client) Cordon(ctx context.Context, node string, unschedulable bool) error {
	content := fmt.Appendf(nil, `{"spec":{"unschedulable":%t}}`, unschedulable)
	err := Retry(ctx, func(ctx context.Context) error {
		_, err := c.Resource(Nodes, "").Patch(ctx, node, types.MergePatchType, content, metav1.PatchOptions{FieldManager: Manager})
		return err
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("cordon node %s: %w", node, err)
	}
	return nil
}

// DrainOptions say how a node is drained.
type DrainOptions struct {
	// Timeout is how long it may take until all pods are gone.
	Timeout time.Duration
	// Force deletes pods that are left then, whatever disruption budgets say.
	Force bool
	// Told is told what the drain waits for, when that changes; nil means nobody.
	Told func(string)
}

// forcedTimeout is how long pods may take to go that are deleted by force.
const forcedTimeout = 2 * time.Minute

// Drain cordons a node and evicts its pods, within their disruption budgets, and
// waits until they are gone. Pods of DaemonSets and of the kubelet's own files
// stay. While the kubelet does not report, pods that have been evicted are not waited
// for: nobody would tell that they have ended.
func (c *Client) Drain(ctx context.Context, node string, options DrainOptions) error {
	if err := c.Cordon(ctx, node, true); err != nil {
		return err
	}
	err := c.empty(ctx, node, options.Timeout, options.Told, c.evict)
	if err == nil || ctx.Err() != nil {
		return err
	}
	if !options.Force {
		return cli.WithHint(err, "see what the pods wait for with 'kubectl get pods,pdb -A', or repeat with --force to delete them")
	}
	return c.empty(ctx, node, forcedTimeout, options.Told, c.deletePod)
}

// empty calls a function for each pod of a node until none is left.
func (c *Client) empty(ctx context.Context, node string, within time.Duration, told func(string),
	remove func(context.Context, *unstructured.Unstructured) error,
) error {
	last := ""
	return Wait(ctx, within, "the pods of node "+node+" to go", func(ctx context.Context) error {
		pods, err := c.drainable(ctx, node)
		if err != nil && last != "" {
			return fmt.Errorf("these are left: %s: %w", last, err)
		}
		if err != nil {
			return err
		}
		var waiting []string
		for i := range pods {
			text := pods[i].GetNamespace() + "/" + pods[i].GetName()
			if pods[i].GetDeletionTimestamp() == nil {
				if err := remove(ctx, &pods[i]); err != nil {
					text += " (" + err.Error() + ")"
				}
			}
			waiting = append(waiting, text)
		}
		if len(waiting) == 0 {
			return nil
		}
		slices.Sort(waiting)
		// What was not answered any more tells less than the answer before it.
		if list := strings.Join(waiting, ", "); list != last && (ctx.Err() == nil || last == "") {
			last = list
			if told != nil {
				told(list)
			}
		}
		return errors.New("these are left: " + last)
	})
}

// drainable lists the pods of a node that a drain removes, or waits for.
func (c *Client) drainable(ctx context.Context, node string) ([]unstructured.Unstructured, error) {
	silent, err := c.NodeSilent(ctx, node)
	if err != nil {
		return nil, err
	}
	list, err := c.Resource(Pods, "").List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + node})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list.Items, func(pod unstructured.Unstructured) bool {
		phase, _, _ := unstructured.NestedString(pod.Object, "status", "phase")
		owner := metav1.GetControllerOf(&pod)
		return phase == "Succeeded" || phase == "Failed" || pod.GetAnnotations()[mirrorAnnotation] != "" ||
			owner != nil && owner.Kind == "DaemonSet" || silent && pod.GetDeletionTimestamp() != nil
	}), nil
}

// NodeSilent tells whether nobody reports what becomes of the pods of a node: its
// kubelet has not for a while, or the node is gone.
func (c *Client) NodeSilent(ctx context.Context, node string) (bool, error) {
	object, err := c.Resource(Nodes, "").Get(ctx, node, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	return err == nil && Silent(object), err
}

func (c *Client) evict(ctx context.Context, pod *unstructured.Unstructured) error {
	eviction := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "policy/v1", "kind": "Eviction",
		"metadata":      map[string]any{"name": pod.GetName(), "namespace": pod.GetNamespace()},
		"deleteOptions": map[string]any{"preconditions": map[string]any{"uid": string(pod.GetUID())}},
	}}
	_, err := c.Resource(Pods, pod.GetNamespace()).Create(ctx, eviction, metav1.CreateOptions{}, "eviction")
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // it has gone, or another has its name
	}
	return withCauses(err)
}

// withCauses adds the causes of a refusal to its message: which disruption budget it is,
// and what that has and needs.
func withCauses(err error) error {
	refused, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok || refused.Status().Details == nil {
		return err
	}
	for _, cause := range refused.Status().Details.Causes {
		if cause.Message != "" {
			err = fmt.Errorf("%w %s", err, cause.Message)
		}
	}
	return err
}

func (c *Client) deletePod(ctx context.Context, pod *unstructured.Unstructured) error {
	uid := pod.GetUID()
	err := c.Resource(Pods, pod.GetNamespace()).Delete(ctx, pod.GetName(), metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}

// Forget deletes a node that has gone for good, and its pods with it: nobody
// else would tell that they have ended. It may be called again.
func (c *Client) Forget(ctx context.Context, node string) error {
	err := Retry(ctx, func(ctx context.Context) error {
		return c.Resource(Nodes, "").Delete(ctx, node, metav1.DeleteOptions{})
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete node %s: %w", node, err)
	}
	list, err := c.Resource(Pods, "").List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + node})
	if err != nil {
		return fmt.Errorf("list the pods of node %s: %w", node, err)
	}
	now := int64(0)
	for _, pod := range list.Items {
		uid := pod.GetUID()
		err := c.Resource(Pods, pod.GetNamespace()).Delete(ctx, pod.GetName(),
			metav1.DeleteOptions{GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &uid}})
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return fmt.Errorf("delete pod %s/%s: %w", pod.GetNamespace(), pod.GetName(), err)
		}
	}
	return nil
}

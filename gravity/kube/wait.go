package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The resources that are waited for.
var (
	Nodes       = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
	Pods        = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	Secrets     = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	ConfigMaps  = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	Services    = schema.GroupVersionResource{Version: "v1", Resource: "services"}
	Deployments = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	DaemonSets  = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "daemonsets"}
	Jobs        = schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}
)

// LabelAddress has the address that other nodes reach a node at.
const LabelAddress = "gravitational.io/advertise-ip"

// Wait calls a check until it succeeds, at most for the given time. The error
// at the end is the check's last: it says what is missing.
func Wait(ctx context.Context, within time.Duration, what string, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("not there after %s", within))
	defer cancel()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w: %w", what, context.Cause(ctx), err)
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// NodeReady fails unless a node is Ready; the error has the reason.
func (c *Client) NodeReady(ctx context.Context, name string) error {
	node, err := c.Resource(Nodes, "").Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if err := Ready(node); err != nil {
		return fmt.Errorf("node %w", err)
	}
	return nil
}

// WorkloadReady fails unless a Deployment or DaemonSet has all its pods ready,
// of its newest version.
func (c *Client) WorkloadReady(ctx context.Context, resource schema.GroupVersionResource, namespace, name string) error {
	object, err := c.Resource(resource, namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	wanted, ready, updated := integer(object, "status", "desiredNumberScheduled"), integer(object, "status", "numberReady"), integer(object, "status", "updatedNumberScheduled")
	if resource.Resource == Deployments.Resource {
		wanted, ready, updated = integer(object, "spec", "replicas"), integer(object, "status", "readyReplicas"), integer(object, "status", "updatedReplicas")
	}
	observed := integer(object, "status", "observedGeneration")
	if observed < object.GetGeneration() || ready < wanted || updated < wanted || wanted == 0 {
		return fmt.Errorf("%s %s/%s has %d of %d pods ready", object.GetKind(), namespace, name, ready, wanted)
	}
	return nil
}

// RunOn fails unless DaemonSets have a ready pod on a node; the error names the first
// that has none, with the reason. One that the cluster does not have is not missed.
func (c *Client) RunOn(ctx context.Context, node, namespace string, daemonSets ...string) error {
	pods, err := c.Resource(Pods, namespace).List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + node})
	if err != nil {
		return err
	}
	for _, name := range daemonSets {
		set, err := c.Resource(DaemonSets, namespace).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return err
		}
		missing := fmt.Errorf("%s of %s has no pod on node %s", name, namespace, node)
		for i := range pods.Items {
			pod := &pods.Items[i]
			if owner := metav1.GetControllerOf(pod); owner == nil || owner.UID != set.GetUID() || pod.GetDeletionTimestamp() != nil {
				continue
			}
			status, message := condition(pod, "Ready")
			if status == "True" {
				missing = nil
				break
			}
			missing = fmt.Errorf("pod %s of %s is not ready: %s", pod.GetName(), namespace, podReason(pod, message))
		}
		if missing != nil {
			return missing
		}
	}
	return nil
}

// mirrorAnnotation marks pods that a kubelet runs from files.
const mirrorAnnotation = "kubernetes.io/config.mirror"

// PodsReady fails unless all pods of a namespace are ready or have succeeded;
// the error names those that are not, with their reasons. Static pods do not
// count: what the API says of them is up to twenty seconds old.
func (c *Client) PodsReady(ctx context.Context, namespace string) error {
	list, err := c.Resource(Pods, namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	var waiting []string
	for i := range list.Items {
		pod := &list.Items[i]
		if phase, _, _ := unstructured.NestedString(pod.Object, "status", "phase"); phase == "Succeeded" || pod.GetAnnotations()[mirrorAnnotation] != "" {
			continue
		}
		if status, message := condition(pod, "Ready"); status != "True" {
			waiting = append(waiting, fmt.Sprintf("%s (%s)", pod.GetName(), podReason(pod, message)))
		}
	}
	if len(waiting) > 0 {
		slices.Sort(waiting)
		return fmt.Errorf("pods of %s are not ready: %s", namespace, strings.Join(waiting, ", "))
	}
	return nil
}

// podReason says why a pod is not ready: the reason of a container that waits
// tells more than the pod's condition.
func podReason(pod *unstructured.Unstructured, message string) string {
	if waiting := PodWaits(pod); waiting != "" {
		return waiting
	}
	return message
}

// PodWaits says what keeps a pod from running: an image that cannot be pulled, a
// container that failed, no node that takes it; empty if nothing does.
func PodWaits(pod *unstructured.Unstructured) string {
	for _, field := range []string{"initContainerStatuses", "containerStatuses"} {
		statuses, _, _ := unstructured.NestedSlice(pod.Object, "status", field)
		for _, status := range statuses {
			fields, ok := status.(map[string]any)
			if !ok {
				continue
			}
			reason, _, _ := unstructured.NestedString(fields, "state", "waiting", "reason")
			text, _, _ := unstructured.NestedString(fields, "state", "waiting", "message")
			if reason != "" && reason != "ContainerCreating" && reason != "PodInitializing" {
				return strings.TrimSpace(reason + " " + text)
			}
			if code, _, _ := unstructured.NestedInt64(fields, "state", "terminated", "exitCode"); code != 0 {
				reason, _, _ = unstructured.NestedString(fields, "state", "terminated", "reason")
				text, _, _ = unstructured.NestedString(fields, "state", "terminated", "message")
				return strings.TrimSpace(fmt.Sprintf("container %v ended with exit code %d: %s %s", fields["name"], code, reason, text))
			}
		}
	}
	if status, message := condition(pod, "PodScheduled"); status == "False" {
		return message
	}
	return ""
}

// Ready fails unless a node or pod is Ready; the error has the reason.
func Ready(object *unstructured.Unstructured) error {
	if status, message := condition(object, "Ready"); status != "True" {
		return fmt.Errorf("%s is not ready: %s", object.GetName(), message)
	}
	return nil
}

// Since is when a condition became what it is; zero if nobody says.
func Since(object *unstructured.Unstructured, kind string) (time.Time, error) {
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, entry := range conditions {
		if fields, ok := entry.(map[string]any); ok && fields["type"] == kind {
			text, _ := fields["lastTransitionTime"].(string)
			return time.Parse(time.RFC3339, text)
		}
	}
	return time.Time{}, nil
}

// Silent tells whether the kubelet of a node does not report.
func Silent(node *unstructured.Unstructured) bool {
	status, _ := condition(node, "Ready")
	return status == "Unknown"
}

// condition returns the status of a condition and what is said about it.
func condition(object *unstructured.Unstructured, kind string) (status, message string) {
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, entry := range conditions {
		fields, ok := entry.(map[string]any)
		if !ok || fields["type"] != kind {
			continue
		}
		status, _ = fields["status"].(string)
		if message, _ = fields["message"].(string); message == "" {
			message, _ = fields["reason"].(string)
		}
		return status, message
	}
	return "", "no condition " + kind
}

func integer(object *unstructured.Unstructured, path ...string) int64 {
	value, _, _ := unstructured.NestedInt64(object.Object, path...)
	return value
}

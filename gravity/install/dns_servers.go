package install

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
)

// sameNode lets packets to the cluster's DNS stay on their node, and go to others
// only while that has no server that is ready.
const sameNode = `{"spec":{"trafficDistribution":"PreferSameNode"}}`

// everywhere runs a name server on every node, from kubeadm's description of it:
// kubeadm's two for the whole cluster leave every second question unanswered when
// one is lost with its node, until Kubernetes notices. It may be repeated.
func everywhere(ctx context.Context, client *kube.Client) error {
	deployments := client.Resource(kube.Deployments, "kube-system")
	deployment, err := deployments.Get(ctx, "coredns", metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err): // it was done
	case err != nil:
		return fmt.Errorf("deployment coredns: %w", err)
	default:
		servers, err := serverOfEachNode(deployment)
		if err != nil {
			return err
		}
		if err := client.ApplyObject(ctx, servers); err != nil {
			return err
		}
		background := metav1.DeletePropagationBackground
		err = deployments.Delete(ctx, "coredns", metav1.DeleteOptions{PropagationPolicy: &background})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("deployment coredns: %w", err)
		}
	}
	_, err = client.Resource(kube.Services, "kube-system").Patch(ctx, "kube-dns", types.MergePatchType, []byte(sameNode),
		metav1.PatchOptions{FieldManager: kube.Manager})
	if err != nil {
		return fmt.Errorf("service kube-dns: %w", err)
	}
	return nil
}

// serverOfEachNode is a DaemonSet of a Deployment's pods. They tolerate all
// taints: a node whose pods find no names is of no use (S112).
func serverOfEachNode(deployment *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	spec := make(map[string]any)
	for _, field := range []string{"selector", "template"} {
		value, found, err := unstructured.NestedMap(deployment.Object, "spec", field)
		if err == nil && !found {
			err = errors.New("it is missing")
		}
		if err != nil {
			return nil, fmt.Errorf("deployment coredns: %s: %w", field, err)
		}
		spec[field] = value
	}
	unstructured.RemoveNestedField(spec, "template", "metadata", "creationTimestamp")
	unstructured.RemoveNestedField(spec, "template", "spec", "affinity")
	tolerations := []any{map[string]any{"operator": "Exists"}}
	if err := unstructured.SetNestedSlice(spec, tolerations, "template", "spec", "tolerations"); err != nil {
		return nil, fmt.Errorf("deployment coredns: %w", err)
	}
	if err := probeOften(spec); err != nil {
		return nil, fmt.Errorf("deployment coredns: %w", err)
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "DaemonSet",
		"metadata": map[string]any{
			"name": deployment.GetName(), "namespace": deployment.GetNamespace(), "labels": labelsOf(deployment),
		},
		"spec": spec,
	}}, nil
}

// The readiness of a name server is asked for each second, so that a node that
// joins need not wait for the tenth, and is lost after ten failures, for a busy
// node answers late.
const (
	probeSeconds  = int64(1)
	probeFailures = int64(10)
)

// probeOften changes how often the pods of a DaemonSet are probed.
func probeOften(spec map[string]any) error {
	containers, _, err := unstructured.NestedSlice(spec, "template", "spec", "containers")
	if err != nil {
		return err
	}
	for _, entry := range containers {
		container, _ := entry.(map[string]any)
		if probe, ok := container["readinessProbe"].(map[string]any); ok {
			probe["periodSeconds"], probe["failureThreshold"] = probeSeconds, probeFailures
		}
	}
	return unstructured.SetNestedSlice(spec, containers, "template", "spec", "containers")
}

func labelsOf(object *unstructured.Unstructured) map[string]any {
	labels := make(map[string]any)
	for key, value := range object.GetLabels() {
		labels[key] = value
	}
	return labels
}

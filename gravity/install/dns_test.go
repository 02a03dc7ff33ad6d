package install

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// TestServerOfEachNode wants what a DaemonSet must not have, and what is of one
// node only, to be left out, and the rest to stay.
func TestServerOfEachNode(t *testing.T) {
	labels := map[string]any{"k8s-app": "kube-dns"}
	deployment := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"name": "coredns", "namespace": "kube-system", "labels": labels, "uid": "u", "resourceVersion": "7"},
		"spec": map[string]any{
			"replicas": int64(2), "strategy": map[string]any{"type": "RollingUpdate"},
			"selector": map[string]any{"matchLabels": labels},
			"template": map[string]any{
				"metadata": map[string]any{"creationTimestamp": nil, "labels": labels},
				"spec": map[string]any{
					"affinity": map[string]any{"podAntiAffinity": map[string]any{}}, "priorityClassName": "system-cluster-critical",
					"tolerations": []any{map[string]any{"key": "CriticalAddonsOnly", "operator": "Exists"}},
					"containers": []any{map[string]any{
						"name": "coredns", "readinessProbe": map[string]any{"httpGet": map[string]any{"path": "/ready"}, "periodSeconds": int64(10)},
					}, map[string]any{"name": "beside"}},
				},
			},
		},
	}}
	want := map[string]any{
		"apiVersion": "apps/v1", "kind": "DaemonSet",
		"metadata": map[string]any{"name": "coredns", "namespace": "kube-system", "labels": labels},
		"spec": map[string]any{
			"selector": map[string]any{"matchLabels": labels},
			"template": map[string]any{
				"metadata": map[string]any{"labels": labels},
				"spec": map[string]any{
					"priorityClassName": "system-cluster-critical", "tolerations": []any{map[string]any{"operator": "Exists"}},
					"containers": []any{map[string]any{
						"name": "coredns",
						"readinessProbe": map[string]any{
							"httpGet": map[string]any{"path": "/ready"}, "periodSeconds": int64(1), "failureThreshold": int64(10),
						},
					}, map[string]any{"name": "beside"}},
				},
			},
		},
	}
	got, err := serverOfEachNode(deployment)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.Object); diff != "" {
		t.Error(diff)
	}
	unstructured.RemoveNestedField(deployment.Object, "spec", "template")
	if _, err := serverOfEachNode(deployment); err == nil {
		t.Error("a deployment without pods passes")
	}
}

// TestRBACRollback wants a rollback where there never was a cluster to pass.
func TestRBACRollback(t *testing.T) {
	phase := &rbac{inCluster{&environment{paths: paths.Paths{Root: t.TempDir()}}}}
	if err := phase.Rollback(t.Context()); err != nil {
		t.Error(err)
	}
}

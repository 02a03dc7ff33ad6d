package upkeep

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/member"
)

// TestLabels wants labels of roles and of Kubernetes back, and no others.
func TestLabels(t *testing.T) {
	m := &manifest.Manifest{NodeProfiles: []manifest.NodeProfile{{Name: "worker", Labels: map[string]string{
		"role": "worker", "node-role.kubernetes.io/node": "true", "shop.k8s.io/floor": "2", "tier": "back", "example.com/a": "b", "notkubernetes.io/a": "b",
	}}}}
	object := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"name": "node-3", "labels": map[string]any{
			"kubernetes.io/hostname": "node-3", "kubernetes.io/os": "windows", "gravitational.io/k8s-role": "node", "shop.k8s.io/floor": "3", "tier": "front",
		}},
		"status": map[string]any{"nodeInfo": map[string]any{"architecture": "arm64"}},
	}}
	worker := member.Record{Role: "worker", Address: netip.MustParseAddr("10.0.0.3")}
	got := missingLabels(object, wantedLabels(object, worker, m))
	want := map[string]string{
		"kubernetes.io/os": "linux", "kubernetes.io/arch": "arm64", "role": "worker", "node-role.kubernetes.io/node": "true", "shop.k8s.io/floor": "2",
		"gravitational.io/advertise-ip": "10.0.0.3",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("a worker (-want +got):\n%s", diff)
	}
	master := member.Record{Role: "none", Address: netip.MustParseAddr("10.0.0.3"), Master: true}
	wanted := wantedLabels(object, master, m)
	for _, key := range []string{"node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"} {
		if value, ok := wanted[key]; !ok || value != "" {
			t.Errorf("a master has to have %s=%q", key, value)
		}
	}
	// kubeadm's, which an installation takes away, is the site's to give.
	if _, ok := wanted["node.kubernetes.io/exclude-from-external-load-balancers"]; ok {
		t.Error("a label that the node must not have is wanted")
	}
}

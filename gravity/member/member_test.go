package member

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
)

func TestParse(t *testing.T) {
	node := func(labels map[string]any, address string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"metadata": map[string]any{"name": "node-1", "labels": labels},
			"status": map[string]any{
				"addresses":  []any{map[string]any{"type": "Hostname", "address": "node-1"}, map[string]any{"type": "InternalIP", "address": address}},
				"conditions": []any{map[string]any{"type": "Ready", "status": "True"}},
			},
		}}
	}
	for _, test := range []struct {
		name string
		node *unstructured.Unstructured
		want Member
	}{
		{
			"master", node(map[string]any{
				kube.LabelAddress: "192.0.2.1", "kubernetes.io/hostname": "one", "role": "front", "node-role.kubernetes.io/control-plane": "",
			}, "192.0.2.9"),
			Member{operation.Server{AdvertiseIP: "192.0.2.1", Hostname: "one", Nodename: "node-1", Role: "front", ClusterRole: Master}, true},
		},
		{
			"without labels", node(nil, "192.0.2.9"),
			Member{operation.Server{AdvertiseIP: "192.0.2.9", Hostname: "node-1", Nodename: "node-1", ClusterRole: Worker}, true},
		},
		{
			"leaving master", node(map[string]any{"gravitational.io/k8s-role": "master"}, "192.0.2.9"),
			Member{operation.Server{AdvertiseIP: "192.0.2.9", Hostname: "node-1", Nodename: "node-1", ClusterRole: Master}, true},
		},
		{"empty", &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"name": "x"}}}, Member{operation.Server{Hostname: "x", Nodename: "x", ClusterRole: Worker}, false}},
	} {
		got := parse(test.node)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
		for _, name := range []string{got.Hostname, got.Nodename} {
			if !got.Called(name) {
				t.Errorf("%s: it is not called %q", test.name, name)
			}
		}
		if got.Called("") || got.Called("other") {
			t.Errorf("%s: it is called by another name", test.name)
		}
	}
}

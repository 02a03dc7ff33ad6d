package kube_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
)

// TestRunOn wants pods of the DaemonSets that there are, on the node, and no others.
func TestRunOn(t *testing.T) {
	pod := func(name, owner, ready string) map[string]any {
		return map[string]any{
			"metadata": map[string]any{"name": name, "namespace": "kube-system", "ownerReferences": []any{
				map[string]any{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": owner, "uid": "uid-" + owner, "controller": true},
			}},
			"status": map[string]any{"conditions": []any{
				map[string]any{"type": "Ready", "status": ready, "message": "containers with unready status: [" + owner + "]"},
			}},
		}
	}
	leaves := pod("dns-0", "dns", "True")
	leaves["metadata"].(map[string]any)["deletionTimestamp"] = "2026-01-01T00:00:00Z"
	for _, test := range []struct {
		name string
		pods []any
		want string
	}{
		{"all", []any{pod("net-1", "net", "True"), pod("dns-1", "dns", "True"), pod("mine-1", "mine", "False")}, ""},
		{"the old one leaves", []any{leaves, pod("net-1", "net", "True"), pod("dns-1", "dns", "True")}, ""},
		{"only the old one", []any{leaves, pod("net-1", "net", "True")}, "dns of kube-system has no pod on node node-2"},
		{"none", nil, "net of kube-system has no pod on node node-2"},
		{"not ready", []any{pod("net-1", "net", "False")}, "pod net-1 of kube-system is not ready: containers with unready status: [net]"},
		{"one of them", []any{pod("net-1", "net", "True"), pod("dns-1", "dns", "False")}, "pod dns-1 of kube-system is not ready: containers with unready status: [dns]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				answer := map[string]any{"kind": "PodList", "apiVersion": "v1", "items": test.pods}
				name := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
				switch {
				case name == "pods":
					if selector := r.URL.Query().Get("fieldSelector"); selector != "spec.nodeName=node-2" {
						t.Errorf("pods are selected by %s", selector)
					}
				case name == "absent":
					w.WriteHeader(http.StatusNotFound)
					answer = map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
				default:
					answer = map[string]any{"kind": "DaemonSet", "apiVersion": "apps/v1", "metadata": map[string]any{"name": name, "uid": "uid-" + name}}
				}
				if err := json.NewEncoder(w).Encode(answer); err != nil {
					t.Error(err)
				}
			}))
			defer server.Close()
			client, err := kube.New(&rest.Config{Host: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if err := client.RunOn(t.Context(), "node-2", "kube-system", "net", "absent", "dns"); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

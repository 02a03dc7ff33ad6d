package kube_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
)

// server is as much of an API server as a drain needs.
type server struct {
	mu       sync.Mutex
	pods     map[string]map[string]any
	blocked  map[string]bool // by a disruption budget
	evicted  []string
	deleted  []string
	cordoned string
	node     bool
	// silent tells that the kubelet does not report: pods never end then, and the
	// node's condition is not known.
	silent bool
}

func (s *server) pod(name, phase string, more map[string]any) {
	metadata := map[string]any{"name": name, "namespace": "team", "uid": "uid-" + name}
	maps.Copy(metadata, more)
	s.pods[name] = map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": map[string]any{"nodeName": "node-1"}, "status": map[string]any{"phase": phase},
	}
}

// end ends a pod, if there is a kubelet that says so.
func (s *server) end(name string) {
	if pod, found := s.pods[name]; found && s.silent {
		metadata, _ := pod["metadata"].(map[string]any)
		metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
		return
	}
	delete(s.pods, name)
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	name := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	answer := func(status int, object any) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(object)
	}
	status := func(code int, reason, message string) {
		answer(code, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message, "code": code})
	}
	success := map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Success"}
	switch {
	case strings.HasPrefix(r.URL.Path, "/api/v1/nodes/") && !s.node:
		status(http.StatusNotFound, "NotFound", "no such node")
	case r.Method == http.MethodPatch:
		var patch struct {
			Spec struct {
				Unschedulable bool `json:"unschedulable"`
			} `json:"spec"`
		}
		_ = json.NewDecoder(r.Body).Decode(&patch)
		if patch.Spec.Unschedulable {
			s.cordoned = name
		} else {
			s.cordoned = ""
		}
		answer(http.StatusOK, map[string]any{"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": name}})
	case r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/api/v1/nodes/"):
		ready := "True"
		if s.silent {
			ready = "Unknown"
		}
		answer(http.StatusOK, map[string]any{
			"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": name},
			"status": map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": ready}}},
		})
	case r.Method == http.MethodGet && r.URL.Query().Get("fieldSelector") == "spec.nodeName=node-1":
		items := []any{}
		for _, pod := range s.pods {
			items = append(items, pod)
		}
		answer(http.StatusOK, map[string]any{"apiVersion": "v1", "kind": "PodList", "metadata": map[string]any{}, "items": items})
	case r.Method == http.MethodPost && name == "eviction":
		pod := strings.Split(r.URL.Path, "/")[6]
		if s.blocked[pod] {
			answer(http.StatusTooManyRequests, map[string]any{
				"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "TooManyRequests", "code": http.StatusTooManyRequests,
				"message": "Cannot evict pod as it would violate the pod's disruption budget.",
				"details": map[string]any{"causes": []any{map[string]any{
					"reason": "DisruptionBudget", "message": "The disruption budget web needs 2 healthy pods and has 2 currently",
				}}},
			})
			return
		}
		s.evicted = append(s.evicted, pod)
		s.end(pod)
		answer(http.StatusCreated, success)
	case r.Method == http.MethodDelete:
		if strings.Contains(r.URL.Path, "/nodes/") {
			s.node = false
		} else {
			s.end(name)
		}
		s.deleted = append(s.deleted, name)
		answer(http.StatusOK, success)
	default:
		status(http.StatusNotFound, "NotFound", r.Method+" "+r.URL.Path)
	}
}

// start serves a node with pods of all kinds.
func start(t *testing.T) (*server, *kube.Client) {
	t.Helper()
	s := &server{pods: map[string]map[string]any{}, blocked: map[string]bool{}, node: true}
	s.pod("web-1", "Running", nil)
	s.pod("web-2", "Pending", nil)
	s.pod("done", "Succeeded", nil)
	s.pod("static", "Running", map[string]any{"annotations": map[string]any{"kubernetes.io/config.mirror": "x"}})
	s.pod("daemon", "Running", map[string]any{"ownerReferences": []any{
		map[string]any{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "uid": "u", "controller": true},
	}})
	listening := httptest.NewServer(s)
	t.Cleanup(listening.Close)
	client, err := kube.New(&rest.Config{Host: listening.URL})
	if err != nil {
		t.Fatal(err)
	}
	return s, client
}

func TestDrain(t *testing.T) {
	s, client := start(t)
	if err := client.Drain(t.Context(), "node-1", kube.DrainOptions{Timeout: time.Minute}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(s.evicted)
	if got := strings.Join(s.evicted, " "); got != "web-1 web-2" || len(s.deleted) != 0 || s.cordoned != "node-1" {
		t.Errorf("evicted %s, deleted %s, cordoned %q", got, s.deleted, s.cordoned)
	}
	if err := client.Cordon(t.Context(), "node-1", false); err != nil || s.cordoned != "" {
		t.Errorf("uncordon: %v, %q", err, s.cordoned)
	}
}

func TestDrainBlocked(t *testing.T) {
	s, client := start(t)
	s.blocked["web-2"] = true
	var told []string
	err := client.Drain(t.Context(), "node-1", kube.DrainOptions{Timeout: time.Second, Told: func(text string) { told = append(told, text) }})
	const reason = "team/web-2 (Cannot evict pod as it would violate the pod's disruption budget. The disruption budget web needs 2 healthy pods and has 2 currently)"
	if err == nil || !strings.Contains(err.Error(), reason) || len(s.deleted) != 0 {
		t.Errorf("the drain ends with %v, deleted %s", err, s.deleted)
	}
	if len(told) == 0 || !strings.Contains(told[0], "web-2") {
		t.Errorf("told: %s", told)
	}
	if err := client.Drain(t.Context(), "node-1", kube.DrainOptions{Timeout: time.Second, Force: true}); err != nil {
		t.Fatal(err)
	}
	if strings.Join(s.deleted, " ") != "web-2" {
		t.Errorf("deleted by force: %s", s.deleted)
	}
}

// TestDrainSilent evicts the pods of a node whose kubelet does not report, and does not
// wait for their end, which nobody would tell. Budgets hold nevertheless.
func TestDrainSilent(t *testing.T) {
	s, client := start(t)
	s.silent, s.blocked["web-2"] = true, true
	err := client.Drain(t.Context(), "node-1", kube.DrainOptions{Timeout: time.Second})
	if err == nil || !strings.Contains(err.Error(), "these are left: team/web-2 (") {
		t.Errorf("the drain ends with %v", err)
	}
	if err := client.Drain(t.Context(), "node-1", kube.DrainOptions{Timeout: time.Second, Force: true}); err != nil {
		t.Error(err)
	}
	if strings.Join(s.evicted, " ") != "web-1" || strings.Join(s.deleted, " ") != "web-2" {
		t.Errorf("evicted %s, deleted %s", s.evicted, s.deleted)
	}
}

func TestForget(t *testing.T) {
	s, client := start(t)
	for range 2 {
		if err := client.Forget(t.Context(), "node-1"); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.deleted) != 6 || s.deleted[0] != "node-1" || len(s.pods) != 0 {
		t.Errorf("deleted %s, left %d pods", s.deleted, len(s.pods))
	}
	if err := client.Drain(t.Context(), "node-1", kube.DrainOptions{Timeout: time.Minute}); err != nil {
		t.Errorf("drain a node that has gone: %v", err)
	}
}

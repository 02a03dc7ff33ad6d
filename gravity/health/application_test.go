package health

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

const hookManifest = `apiVersion: cluster.gravitational.io/v2
kind: Cluster
metadata: {name: shop, resourceVersion: 1.0.0}
installer: {flavors: {items: [{name: one, nodes: [{profile: node, count: 1}]}]}}
nodeProfiles: [{name: node}]
hooks:
  status:
    job: |
      apiVersion: batch/v1
      kind: Job
      spec:
        template:
          spec:
            containers:
              - {name: hook, image: "hook:1", securityContext: {runAsUser: -1}}
`

// jobServer is as much of an API server as a status hook needs: the state of the
// cluster, and jobs that end at once.
type jobServer struct {
	t *testing.T

	mu     sync.Mutex
	fails  bool
	state  map[string]string
	job    map[string]any
	ran    int
	writes int
	// left counts jobs that nobody has removed, busy refuses changes of the state.
	left int
	busy bool
}

func (s *jobServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Error(err)
	}
	var answer any = map[string]any{"apiVersion": "v1", "kind": "PodList", "items": []any{}}
	jobs := "/apis/batch/v1/namespaces/kube-system/jobs"
	switch call := r.Method + " " + r.URL.Path; call {
	case "GET /api/v1/namespaces/gravity-system/configmaps/cluster":
		answer = s.configMap()
	case "PATCH /api/v1/namespaces/gravity-system/configmaps/cluster":
		var patch struct {
			Metadata struct{ ResourceVersion string }
			Data     map[string]*string
		}
		if err := json.Unmarshal(body, &patch); err != nil || patch.Metadata.ResourceVersion != "7" {
			s.t.Errorf("the patch is %s, %v", body, err)
		}
		if s.busy {
			w.WriteHeader(http.StatusConflict)
			answer = map[string]any{"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": "Conflict", "code": 409}
			break
		}
		for name, value := range patch.Data {
			if delete(s.state, name); value != nil {
				s.state[name] = *value
			}
		}
		s.writes++
		answer = s.configMap()
	case "POST " + jobs:
		s.job = nil
		if err := json.Unmarshal(body, &s.job); err != nil {
			s.t.Error(err)
		}
		s.ran++
		s.left++
		answer = s.job
	case "GET " + jobs + "/shop-status-" + checkID("node-1"):
		kind := "Complete"
		if s.fails {
			kind = "Failed"
		}
		s.job["status"] = map[string]any{"conditions": []any{
			map[string]any{"type": kind, "status": "True", "reason": "BackoffLimitExceeded", "message": "too often"},
		}}
		answer = s.job
	case "DELETE " + jobs + "/shop-status-" + checkID("node-1"):
		s.left--
		answer = map[string]any{"apiVersion": "v1", "kind": "Status", "status": "Success"}
	default:
		if !strings.HasSuffix(call, "/pods") {
			s.t.Errorf("unexpected call %s", call)
		}
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		s.t.Error(err)
	}
}

func (s *jobServer) configMap() map[string]any {
	return map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "cluster", "resourceVersion": "7"}, "data": s.state}
}

// TestApplication follows an application that is well, fails and recovers.
func TestApplication(t *testing.T) {
	p := paths.Paths{Root: t.TempDir()}
	history, err := OpenHistory(p.History())
	if err != nil {
		t.Fatal(err)
	}
	a := &Application{Paths: p, History: history, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	if err := a.Check(t.Context()); err == nil {
		t.Error("a machine that is no node is asked")
	}
	n := *self
	n.Application, n.Version, n.Runtime = "shop", "1.0.0", "1.37.2"
	if err := n.Write(p); err != nil {
		t.Fatal(err)
	}
	if err := a.Check(t.Context()); err != nil {
		t.Errorf("before there is a cluster: %v", err)
	}
	write(t, filepath.Join(p.Application("shop", "1.0.0"), bundle.NameManifest), hookManifest)
	server := &jobServer{t: t, state: map[string]string{"state": "active", "service_uid": "1234", "service_gid": "1234"}}
	serveAPI(t, p, server.ServeHTTP)
	step := func(what string, change func(), state, reason, events string, ran, writes int) {
		t.Helper()
		server.mu.Lock()
		change()
		server.mu.Unlock()
		if err := a.Check(t.Context()); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if server.state["state"] != state || server.state["reason"] != reason || server.ran != ran || server.writes != writes || server.left != 0 {
			t.Errorf("%s: state %v, %d runs, %d writes, %d jobs left", what, server.state, server.ran, server.writes, server.left)
		}
		if got := story(t, p.History()); got != events {
			t.Errorf("%s: the history is %q, want %q", what, got, events)
		}
	}
	step("well", func() {}, "active", "", "", 1, 0)
	if content, err := json.Marshal(server.job); err != nil || !strings.Contains(string(content), `"runAsUser":1234`) ||
		!strings.Contains(string(content), `"activeDeadlineSeconds":60`) {
		t.Errorf("the job is %s, %v", content, err)
	}
	server.fails, server.busy = true, true
	if err := a.Check(t.Context()); err == nil || server.state["state"] != "active" {
		t.Errorf("the state changed meanwhile: %v, %v", server.state, err)
	}
	server.busy, server.ran = false, 1
	step("fails", func() { server.fails = true }, "degraded", "status_check_failed", "cluster_degraded", 2, 1)
	if message := server.state["message"]; !strings.Contains(message, "hook status: BackoffLimitExceeded: too often") {
		t.Errorf("the message is %q", message)
	}
	step("still fails", func() {}, "degraded", "status_check_failed", "cluster_degraded", 3, 1)
	step("is being upgraded", func() { server.state["state"] = "updating" }, "updating", "status_check_failed", "cluster_degraded", 3, 1)
	step("is well again", func() { server.fails, server.state["state"] = false, "degraded" }, "active", "", "cluster_degraded, cluster_recovered", 4, 2)
	// Another version, without the hook, does not stay degraded.
	write(t, filepath.Join(p.Application("shop", "1.0.0"), bundle.NameManifest), hookManifest[:strings.Index(hookManifest, "hooks:")])
	step("has no hook", func() { server.state["state"] = "degraded" }, "active", "", "cluster_degraded, cluster_recovered, cluster_recovered", 4, 3)
	if err := (&node.Node{Name: "n", Address: n.Address, Runtime: "1"}).Write(p); err != nil {
		t.Fatal(err)
	}
	if err := a.Check(t.Context()); err != nil {
		t.Errorf("a node that is no master asks: %v", err)
	}
}

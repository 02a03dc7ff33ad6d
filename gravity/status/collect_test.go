package status

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/health"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation/disk"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

var master = &node.Node{
	Cluster: "example", Name: "node-1", Address: netip.MustParseAddr("10.0.0.1"), Role: "worker", Master: true,
	Runtime: "1.37.2", Application: "shop", Version: "1.0.0",
}

const apiNodes = `{"apiVersion":"v1","kind":"NodeList","items":[
	{"apiVersion":"v1","kind":"Node","metadata":{"name":"node-1","creationTimestamp":"2017-05-02T16:26:00Z",
	 "labels":{"role":"worker","node-role.kubernetes.io/control-plane":""}},
	 "status":{"addresses":[{"type":"Hostname","address":"node-1"},{"type":"InternalIP","address":"10.0.0.1"}]}},
	{"apiVersion":"v1","kind":"Node","metadata":{"name":"node-2","labels":{"role":"db"}},
	 "status":{"addresses":[{"type":"InternalIP","address":"10.0.0.2"}]}}]}`

// installed makes a node's files, and an API server that answers what a path
// ends with.
func installed(t *testing.T, answers map[string]string) paths.Paths {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		answer, ok := answers[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			answer = `{"apiVersion":"v1","kind":"Status","status":"Failure","reason":"NotFound","code":404,"message":"no ` + r.URL.Path + `"}`
		}
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(server.Close)
	p := paths.Paths{Root: t.TempDir()}
	for path, content := range map[string]string{
		p.KubernetesFile("admin.conf"): `{"apiVersion":"v1","kind":"Config","current-context":"c","users":[{"name":"u","user":{}}],
			"clusters":[{"name":"k","cluster":{"server":"` + server.URL + `"}}],"contexts":[{"name":"c","context":{"cluster":"k","user":"u"}}]}`,
		filepath.Join(p.Application("shop", "1.0.0"), bundle.NameManifest): `apiVersion: cluster.gravitational.io/v2
kind: Cluster
metadata: {name: shop, resourceVersion: 1.0.0}
installer: {flavors: {items: [{name: one, nodes: [{profile: worker, count: 1}]}]}}
nodeProfiles: [{name: worker}]
endpoints: [{name: Shop, serviceName: shop, protocol: http}, {name: Secret, serviceName: shop, hidden: true}]
`,
	} {
		if err := paths.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := master.Write(p); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestCollectAfterRemoval wants a master that was removed to tell that, although the
// cluster still answers it and is well without it.
func TestCollectAfterRemoval(t *testing.T) {
	p := installed(t, map[string]string{
		"/api/v1/nodes": strings.ReplaceAll(apiNodes, "node-1", "node-3"),
		"/api/v1/namespaces/gravity-system/configmaps/cluster": `{"apiVersion":"v1","kind":"ConfigMap","data":{"state":"active"}}`,
	})
	dismissal := node.Dismissal{Time: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), Reason: "node node-1: it was removed from the cluster"}
	if err := dismissal.Write(p); err != nil {
		t.Fatal(err)
	}
	s, err := Collect(t.Context(), p, disk.New(p.Operations()))
	if err != nil {
		t.Fatal(err)
	}
	const want = "this machine is not a member of cluster example any more: node node-1: it was removed from the cluster"
	if !strings.Contains(s.Error, want) || !strings.Contains(s.Error, "gravity leave --force") || Healthy(s) {
		t.Errorf("the state is %s, the error %q", s.Cluster.State, s.Error)
	}
	if len(s.Cluster.Nodes) != 1 || s.Cluster.Nodes[0].Hostname != "node-1" || s.Cluster.Nodes[0].Status != nodeDegraded {
		t.Errorf("the nodes are %+v", s.Cluster.Nodes)
	}
}

// TestAskCluster wants what the cluster says to be where it belongs.
func TestAskCluster(t *testing.T) {
	p := installed(t, map[string]string{
		"/api/v1/nodes": apiNodes,
		"/api/v1/namespaces/gravity-system/configmaps/cluster": `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"creationTimestamp":"2017-05-02T16:21:00Z"},
			"data":{"state":"degraded","reason":"status_check_failed","message":"hook status: exit code 1","service_uid":"1000","service_gid":"1000"}}`,
		"/api/v1/namespaces/default/services": `{"apiVersion":"v1","kind":"ServiceList","items":[
			{"apiVersion":"v1","kind":"Service","metadata":{"name":"shop"},"spec":{"ports":[{"port":80,"nodePort":30080}]}}]}`,
	})
	c := collector{paths: p, node: master, status: &report.Status{Cluster: report.StatusCluster{State: health.StateActive}}}
	if err := c.askCluster(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := report.StatusCluster{
		State: "degraded", Reason: "status_check_failed", Message: "hook status: exit code 1", Created: created,
		Token: report.StatusToken{Problem: "it was removed"}, // this master keeps none
		Nodes: []report.StatusNode{
			{Hostname: "node-1", AdvertiseIP: "10.0.0.1", Role: "master", Profile: "worker", Created: created.Add(5 * time.Minute)},
			{Hostname: "node-2", AdvertiseIP: "10.0.0.2", Role: "node", Profile: "db"},
		},
		Endpoints: report.StatusEndpoints{Applications: []report.StatusApplicationEndpoints{
			{Endpoints: []report.StatusEndpoint{{Name: "Shop", Addresses: []string{"http://10.0.0.1:30080"}}}},
		}},
	}
	if diff := cmp.Diff(want, c.status.Cluster); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestAskLeader wants a lease that is not renewed to be told, and none to be no problem:
// a cluster that was just installed has none.
func TestAskLeader(t *testing.T) {
	const path = "/apis/coordination.k8s.io/v1/namespaces/gravity-system/leases/leader"
	lease := func(renewed time.Time) map[string]string {
		return map[string]string{path: fmt.Sprintf(`{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"leader","resourceVersion":"7"},
			"spec":{"holderIdentity":"node-1","renewTime":%q}}`, renewed.UTC().Format("2006-01-02T15:04:05.000000Z07:00"))}
	}
	for _, test := range []struct {
		name    string
		answers map[string]string
		master  bool
		fails   bool
	}{
		{"none", nil, true, false},
		{"renewed", lease(time.Now()), true, false},
		{"not renewed", lease(time.Now().Add(-time.Hour)), true, true},
		{"a worker may not read it", lease(time.Now().Add(-time.Hour)), false, false},
	} {
		// Long enough to ask, and not to watch a lease.
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		c := collector{paths: installed(t, test.answers), node: &node.Node{Name: "node-1", Master: test.master}}
		if err := c.askLeader(ctx); (err != nil) != test.fails {
			t.Errorf("%s: %v", test.name, err)
		}
		cancel()
	}
}

// TestAskClusterWithoutState is a cluster that lost its state, or that has none
// yet.
func TestAskClusterWithoutState(t *testing.T) {
	p := installed(t, map[string]string{"/api/v1/nodes": apiNodes})
	c := collector{paths: p, node: master, status: &report.Status{}}
	if err := c.askCluster(t.Context()); err == nil || !strings.Contains(err.Error(), "read the state of the cluster") {
		t.Errorf("without a state: %v", err)
	}
	c.status.Cluster = report.StatusCluster{State: "installing", ActiveOperations: make([]report.StatusOperation, 1)}
	if err := c.askCluster(t.Context()); err != nil || c.status.Cluster.State != "installing" {
		t.Errorf("while it is installed: %+v, %v", c.status.Cluster, err)
	}
}

// TestConclude wants the state to tell whatever is wrong (S37).
func TestConclude(t *testing.T) {
	running := report.NodeHealth{Status: report.HealthRunning, Probes: []report.Probe{{Checker: "dns", Status: report.HealthRunning}}}
	warned := report.NodeHealth{Status: report.HealthRunning, Probes: []report.Probe{
		{Checker: "disk-space", Status: report.HealthFailed, Severity: report.SeverityWarning, Error: "82%"},
	}}
	broken := report.NodeHealth{Status: report.HealthDegraded, Probes: []report.Probe{
		{Checker: "dns", Status: report.HealthUnknown, Severity: report.SeverityCritical, Error: "nobody knows"},
	}}
	for _, test := range []struct {
		name, state, err   string
		health             map[string]report.NodeHealth
		wantState, reason  string
		system             int
		statuses, problems string
	}{
		{"well", "active", "", map[string]report.NodeHealth{"node-1": running, "node-2": running}, "active", "", 1, "healthy healthy", ""},
		{"warns", "active", "", map[string]report.NodeHealth{"node-1": warned, "node-2": running}, "active", "", 1, "healthy healthy", "!disk-space: 82%"},
		{"fails", "active", "", map[string]report.NodeHealth{"node-1": running, "node-2": broken}, "degraded", ReasonCluster, 2, "healthy degraded", "×dns: nobody knows"},
		{"is gone", "active", "", map[string]report.NodeHealth{"node-1": running}, "degraded", ReasonCluster, 2, "healthy offline", ""},
		{"does not answer", "active", "refused", map[string]report.NodeHealth{"node-1": running, "node-2": running}, "degraded", ReasonCluster, 2, "healthy healthy", ""},
		{"is updated", "updating", "", map[string]report.NodeHealth{"node-1": broken, "node-2": running}, "updating", "", 2, "degraded healthy", "×dns: nobody knows"},
	} {
		s := &report.Status{Error: test.err, Cluster: report.StatusCluster{State: test.state, SystemStatus: report.SystemRunning, Nodes: []report.StatusNode{
			{Hostname: "node-1", AdvertiseIP: "10.0.0.1", Role: "master"}, {Hostname: "node-2", AdvertiseIP: "fd00::2", Role: "master"},
		}}}
		(&collector{node: master, status: s, health: test.health}).conclude()
		var statuses, problems []string
		for _, n := range s.Cluster.Nodes {
			statuses = append(statuses, n.Status)
			for _, probe := range n.FailedProbes {
				problems = append(problems, "×"+probe)
			}
			for _, probe := range n.WarnProbes {
				problems = append(problems, "!"+probe)
			}
		}
		if s.Cluster.State != test.wantState || s.Cluster.Reason != test.reason || s.Cluster.SystemStatus != test.system ||
			strings.Join(statuses, " ") != test.statuses || strings.Join(problems, " ") != test.problems {
			t.Errorf("%s: %+v", test.name, s.Cluster)
		}
		if diff := cmp.Diff([]string{"https://10.0.0.1:6443", "https://[fd00::2]:6443"}, s.Cluster.Endpoints.Cluster.Kubernetes); diff != "" {
			t.Error(diff)
		}
		if want := test.system == 1; Healthy(s) != want {
			t.Errorf("%s: healthy is not %t", test.name, want)
		}
	}
}

// TestCollectWithoutCluster wants an error where nothing is installed, and what
// is known of a node where nobody answers.
func TestCollectWithoutCluster(t *testing.T) {
	p := paths.Paths{Root: t.TempDir()}
	store := disk.New(filepath.Join(p.Root, "operations"))
	if _, err := Collect(t.Context(), p, store); !errors.Is(err, ErrNotInstalled) || cli.ExitCode(err) != 1 || len(cli.Hints(err)) == 0 {
		t.Errorf("nothing is installed: %v", err)
	}
	if err := store.Create(t.Context(), installPlan(t)); err != nil {
		t.Fatal(err)
	}
	s, err := Collect(t.Context(), p, store)
	if err != nil {
		t.Fatal(err)
	}
	if s.Cluster.State != "installing" || s.Cluster.Domain != "example" || s.Cluster.SystemStatus != report.SystemDegraded || Healthy(s) ||
		s.Error == "" || len(s.LocalChecks) == 0 || s.Cluster.Nodes[0].Hostname != "node-1" || s.Cluster.Nodes[0].Status != nodeDegraded {
		t.Errorf("%+v", s)
	}
}

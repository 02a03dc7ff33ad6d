package status

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/health"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/install"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

var created = time.Date(2017, 5, 2, 16, 21, 0, 0, time.UTC)

// guideStatus is what the guide shows, with what the guide leaves out.
func guideStatus() *report.Status {
	member := func(name, address, role string, minute int) report.StatusNode {
		return report.StatusNode{
			Hostname: name, AdvertiseIP: address, Role: role, Profile: "worker", Status: nodeHealthy,
			Created: created.Add(time.Duration(minute) * time.Minute), FailedProbes: []string{}, WarnProbes: []string{},
			Checked: created.Add(2 * time.Hour),
		}
	}
	application := report.StatusApplication{Repository: "gravitational.io", Name: "telekube", Version: "3.35.5"}
	last := report.StatusOperation{
		Type: "operation_install", ID: "8bbd1d6e-0000-4000-8000-5b8d1d9c3a10", State: "completed", Created: created,
		Progress: report.StatusProgress{Message: "Operation has completed", Completion: 100, Created: created.Add(8 * time.Minute)},
	}
	return &report.Status{LocalChecks: []report.Probe{}, Cluster: report.StatusCluster{
		Application: application, Domain: "adoringyalow5948", State: "active", Created: created, SystemStatus: 1,
		Token:         report.StatusToken{Token: "sesame", Type: "expand", SiteDomain: "adoringyalow5948"},
		ClientVersion: report.StatusVersion{Edition: edition, Version: "0.2.0", GitCommit: "abc"},
		ServerVersion: report.StatusVersion{Edition: edition, Version: "0.1.0"},
		Operation:     &last, ActiveOperations: []report.StatusOperation{},
		Endpoints: report.StatusEndpoints{
			Applications: []report.StatusApplicationEndpoints{{Application: application, Endpoints: []report.StatusEndpoint{
				{Name: "Shop", Description: "where people buy", Addresses: []string{"http://1.2.3.5:30080"}}, {Name: "Bare", Addresses: []string{}},
			}}},
			Cluster: report.StatusClusterEndpoints{AuthGateway: []string{}, UI: []string{}, Kubernetes: []string{"https://1.2.3.5:6443"}},
		},
		Nodes: []report.StatusNode{member("node-2", "1.2.3.5", "master", 5), member("node-3", "1.2.3.6", "node", 8)},
	}}
}

func TestGolden(t *testing.T) {
	degraded := guideStatus()
	degraded.Cluster.State, degraded.Cluster.Reason, degraded.Cluster.SystemStatus = health.StateDegraded, ReasonCluster, 2
	master := &degraded.Cluster.Nodes[0]
	master.Status, master.FailedProbes = nodeDegraded, []string{"dns: nobody\nanswers\x1b[2J", "kubelet: connection refused"}
	master.WarnProbes = []string{"disk-space: disk utilization on /var/lib/gravity is 82%"}
	master.Checked = created
	degraded.Cluster.Nodes[1].Status = nodeOffline
	running := guideStatus()
	running.Cluster.State = "updating"
	running.Cluster.ActiveOperations = []report.StatusOperation{{
		Type: "operation_update", ID: "1d9c3a10", State: "in_progress", Created: created.Add(time.Hour),
		Progress: report.StatusProgress{Message: "Drain node \"node-1\"", Completion: 40},
	}}
	running.Cluster.Token = report.StatusToken{Problem: "it has expired", Type: "expand", SiteDomain: "adoringyalow5948"}
	failing := guideStatus()
	failing.Cluster.State, failing.Cluster.Reason, failing.Cluster.Message = health.StateDegraded, health.ReasonStatusCheck, "hook status: exit code 1"
	dead := guideStatus()
	dead.Error = "list the nodes: connection refused"
	dead.Cluster.State, dead.Cluster.Reason, dead.Cluster.SystemStatus = health.StateDegraded, ReasonCluster, 2
	dead.Cluster.ServerVersion, dead.Cluster.Created = report.StatusVersion{Edition: edition}, time.Time{}
	dead.Cluster.Operation, dead.Cluster.Endpoints.Applications = nil, []report.StatusApplicationEndpoints{}
	dead.Cluster.Nodes = []report.StatusNode{{Hostname: "node-2", AdvertiseIP: "1.2.3.5", Role: "master", Profile: "worker", Status: nodeDegraded, FailedProbes: []string{"etcd-healthz: timeout"}, WarnProbes: []string{}}}
	dead.LocalChecks = []report.Probe{
		{Checker: "etcd-healthz", Error: "timeout", Status: "failed", Severity: "critical"},
		{Checker: "inotify", Error: "too few", Status: "failed", Severity: "warning"},
	}
	for name, s := range map[string]*report.Status{"active": guideStatus(), "degraded": degraded, "updating": running, "check": failing, "dead": dead} {
		var text, document bytes.Buffer
		if err := errors.Join(Text(&text, s, created.Add(2*time.Hour)), cli.PrintJSON(&document, s)); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".txt", text.Bytes())
		golden(t, name+".json", document.Bytes())
		if want := name == "active" || name == "updating"; Healthy(s) != want {
			t.Errorf("%s is healthy: %t", name, !want)
		}
	}
}

// TestEvent wants the lines of the guide.
func TestEvent(t *testing.T) {
	at := time.Date(2020, 2, 18, 21, 36, 56, 0, time.UTC)
	for want, event := range map[string]report.HealthEvent{
		"2020-02-18T21:36:56Z [Node Degraded]     node=node-1":                        {Type: health.NodeDegraded, Node: "node-1"},
		"2020-02-18T21:36:56Z [Probe Succeeded]   node=node-1 checker=node-status":    {Type: health.ProbeSucceeded, Node: "node-1", Checker: "node-status"},
		"2020-02-18T21:36:56Z [Node Recovered]    node=node-3":                        {Type: health.NodeRecovered, Node: "node-3"},
		"2020-02-18T21:36:56Z [Probe Failed]      node=node-3 checker=kube-apiserver": {Type: health.ProbeFailed, Node: "node-3", Checker: "kube-apiserver"},
		"2020-02-18T21:36:56Z [Cluster Recovered]":                                    {Type: health.ClusterRecovered},
		"2020-02-18T21:36:56Z [Node Added]        node=node-2":                        {Type: health.NodeAdded, Node: "node-2"},
		"2020-02-18T21:36:56Z [Node Removed]      node=node-2":                        {Type: health.NodeRemoved, Node: "node-2"},
		"2020-02-18T21:36:56Z [Leader Elected]    node=node-2":                        {Type: health.LeaderElected, Node: "node-2"},
		"2020-02-18T21:36:56Z [later]             node=x":                             {Type: "later", Node: "x"},
	} {
		event.Time = at
		if got := Event(event); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

func TestAgo(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "now", 0: "now", time.Second: "1 second ago", 59 * time.Second: "59 seconds ago", 90 * time.Second: "1 minute ago",
		2 * time.Hour: "2 hours ago", 47 * time.Hour: "1 day ago", 20 * 24 * time.Hour: "2 weeks ago", 800 * 24 * time.Hour: "2 years ago",
	} {
		if got := ago(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}

// installPlan is the plan of an installation, which has not begun.
func installPlan(t *testing.T) *operation.Plan {
	t.Helper()
	config, err := json.Marshal(install.Settings{Node: node.Node{
		Cluster: "example", Name: "node-1", Address: netip.MustParseAddr("10.0.0.1"), Role: "worker", Master: true,
		Runtime: "1.37.2", Application: "shop", Version: "1.0.0",
	}})
	if err != nil {
		t.Fatal(err)
	}
	leaf := func(id, description string) operation.Phase {
		return operation.Phase{ID: id, Executor: "x", Description: description, Data: &operation.Data{Config: config}}
	}
	return &operation.Plan{
		OperationID: "op", OperationType: operation.TypeInstall, ClusterName: "example", CreatedAt: created,
		Phases: []operation.Phase{leaf("/checks", "Execute preflight checks"), leaf("/pull", "Pull packages")},
	}
}

func entries(steps ...operation.Entry) []operation.Entry {
	for i := range steps {
		steps[i].ID, steps[i].Epoch, steps[i].Sequence, steps[i].OperationID = string(rune('a'+i)), 1, uint64(i+1), "op"
		steps[i].Created = created.Add(time.Duration(i+1) * time.Minute)
	}
	return steps
}

// TestOperation follows an installation from its plan to its end.
func TestOperation(t *testing.T) {
	began := operation.Entry{PhaseID: "/checks", NewState: operation.InProgress}
	done := operation.Entry{PhaseID: "/checks", NewState: operation.Completed}
	fails := operation.Entry{PhaseID: "/pull", NewState: operation.Failed, Error: &operation.Failure{Message: "no space"}}
	over := operation.Entry{PhaseID: operation.OperationPhase, NewState: operation.Failed}
	for _, test := range []struct {
		name           string
		entries        []operation.Entry
		state, message string
		completion     int
	}{
		{"planned", nil, "installing", "Operation has been created", 0},
		{"begun", []operation.Entry{began}, "installing", "Execute preflight checks", 0},
		{"half", []operation.Entry{began, done}, "installing", "Execute preflight checks", 50},
		{"fails", []operation.Entry{began, done, fails}, "installing", "no space", 50},
		{"failed", []operation.Entry{began, done, fails, over}, "failed", "Operation has failed", 50},
		{"completed", []operation.Entry{{PhaseID: operation.OperationPhase, NewState: operation.Completed}}, "active", "Operation has completed", 0},
	} {
		cluster := report.StatusCluster{State: health.StateActive}
		addOperations(&cluster, []*operation.Operation{{Plan: installPlan(t), Entries: entries(test.entries...)}})
		progress := cluster.Operation.Progress
		if cluster.State != test.state || progress.Message != test.message || progress.Completion != test.completion {
			t.Errorf("%s: %s, %+v", test.name, cluster.State, progress)
		}
		if len(test.entries) > 0 && !progress.Created.Equal(created.Add(time.Duration(len(test.entries))*time.Minute)) {
			t.Errorf("%s: progress is of %s", test.name, progress.Created)
		}
		if active := test.state == "installing"; (len(cluster.ActiveOperations) == 1) != active || !cluster.Created.Equal(created) {
			t.Errorf("%s: active operations are %+v", test.name, cluster.ActiveOperations)
		}
	}
}

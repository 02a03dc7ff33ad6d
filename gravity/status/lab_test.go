package status_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/install/installtest"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

func TestMain(m *testing.M) {
	lab.SuperviseIfAsked()
	os.Exit(m.Run())
}

const watchedManifest = `apiVersion: cluster.gravitational.io/v2
kind: Cluster
metadata:
  name: watched
  resourceVersion: 1.0.0
installer:
  flavors:
    items:
      - {name: one, nodes: [{profile: node, count: 1}]}
nodeProfiles:
  - name: node
endpoints:
  - {name: API, description: the API, serviceName: kubernetes, namespace: default, protocol: https}
hooks:
  status:
    job: |
      apiVersion: batch/v1
      kind: Job
      metadata: {name: status}
      spec:
        activeDeadlineSeconds: 30
        backoffLimit: 0
        template:
          spec:
            restartPolicy: Never
            containers:
              - name: hook
                image: docker.io/library/hook:1
                command: [sh, -c, "if kubectl get configmap broken; then echo shop is closed; exit 1; fi"]
`

// node is a machine with a cluster.
type node struct{ *lab.Machine }

// shell runs a script and returns its output and exit code.
func (n node) shell(ctx context.Context, t *testing.T, script string) (stdout, stderr string, code int) {
	t.Helper()
	result, err := n.Run(ctx, lab.Command{Args: []string{"sh", "-c", script}})
	if failed, ok := errors.AsType[*lab.CommandError](err); ok {
		return result.Stdout, err.Error(), failed.ExitCode
	}
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return result.Stdout, result.Stderr, 0
}

// must is shell of what must succeed.
func (n node) must(ctx context.Context, t *testing.T, script string) string {
	t.Helper()
	stdout, stderr, code := n.shell(ctx, t, script)
	if code != 0 {
		t.Fatalf("%s: exit code %d: %s%s", script, code, stdout, stderr)
	}
	return stdout
}

// status waits for a status that a function likes, and for its exit code.
func (n node) status(ctx context.Context, t *testing.T, code int, what string, likes func(*report.Status) bool) *report.Status {
	t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, 100*time.Second)
	defer cancel()
	for {
		stdout, stderr, got := n.shell(ctx, t, "gravity status -o json")
		var s report.Status
		if err := json.Unmarshal([]byte(stdout), &s); err != nil {
			t.Fatalf("%s: exit code %d, %v: %s%s", what, got, err, stdout, stderr)
		}
		if got == code && likes(&s) {
			t.Logf("%s: after %.1f s", what, time.Since(began).Seconds())
			return &s
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: exit code %d: %s%s", what, got, stdout, stderr)
		case <-time.After(time.Second):
		}
	}
}

func active(s *report.Status) bool {
	return s.Cluster.State == "active" && s.Cluster.SystemStatus == report.SystemRunning && len(s.LocalChecks) == 0
}

// fails likes a status in which all the given probes of the node fail.
func fails(checkers ...string) func(*report.Status) bool {
	return func(s *report.Status) bool {
		for _, checker := range checkers {
			if !slices.ContainsFunc(s.Cluster.Nodes[0].FailedProbes, func(line string) bool { return strings.HasPrefix(line, checker+": ") }) {
				return false
			}
		}
		return s.Cluster.State == "degraded" && s.Cluster.Reason == "cluster_degraded" && s.Cluster.SystemStatus == report.SystemDegraded
	}
}

// TestStatus breaks what a node stands on, one after the other, and wants to be
// told, and to be told when it is repaired.
func TestStatus(t *testing.T) {
	installtest.SkipWithoutLab(t)
	program := installtest.Program(t)
	bundle := installtest.Bundle(t, program, installtest.Application{
		Manifest: watchedManifest, Name: "watched", Version: "1.0.0",
		Images: map[string]string{"docker.io/library/hook:1": "gravity.local/master:" + installtest.Version},
	})
	n := node{installtest.Machine(t, "status", bundle)}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	if stdout, stderr, code := n.shell(ctx, t, "/root/app/gravity status"); code != 1 || !strings.Contains(stderr, "no cluster is installed") {
		t.Errorf("without a cluster: exit code %d: %s%s", code, stdout, stderr)
	}
	if _, stderr, code := n.shell(ctx, t, "/root/app/install --cluster=test --token=opensesame"); code != 0 {
		installtest.Diagnose(t, n.Machine)
		t.Fatal(stderr)
	}
	n.status(ctx, t, 0, "healthy", active)
	for _, part := range []struct {
		name string
		run  func(context.Context, *testing.T, node)
	}{
		{"text", checkText},
		{"endpoint", checkEndpoint},
		{"containerd", checkContainerd},
		{"units", checkUnits},
		{"etcd", checkEtcd},
		{"agent and hook", checkAgent},
		{"history", checkHistory},
	} {
		if !t.Run(part.name, func(t *testing.T) { part.run(ctx, t, n) }) {
			installtest.Diagnose(t, n.Machine)
			break
		}
	}
}

func checkText(ctx context.Context, t *testing.T, n node) {
	text := n.must(ctx, t, "gravity status")
	t.Log(text)
	for _, want := range []string{
		"Cluster:\ttest, created at ", "\n    node-1 (10.", "\nApplication:\t\twatched, version 1.0.0\n", "\nStatus:\t\t\tactive\n",
		"\nJoin token:\t\topensesame\n", "\nPeriodic updates:\tOFF\n", "\nLast completed operation:\n    * operation_install (",
		"    * API (the API):", "            Status:\thealthy\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	if got := n.must(ctx, t, "gravity status --token; echo ."); got != "opensesame.\n" {
		t.Errorf("--token prints %q", got)
	}
	if got := n.must(ctx, t, "gravity status --quiet"); got != "active\n" {
		t.Errorf("--quiet prints %q", got)
	}
	script := `id=$(gravity status -o json | sed -n 's/.*"id": "\(.*\)".*/\1/p' | head -n1); gravity status --quiet --operation-id=$id`
	if got := n.must(ctx, t, script); got != "completed\n" {
		t.Errorf("--quiet --operation-id prints %q", got)
	}
}

func checkEndpoint(ctx context.Context, t *testing.T, n node) {
	for _, script := range []string{
		"curl -sk -w '\\n%{http_code}' https://localhost:7575",
		"curl -sk -w '\\n%{http_code}' https://$(hostname -I | cut -d' ' -f1):7575",
	} {
		body, code, _ := strings.Cut(n.must(ctx, t, script), "\n\n")
		var health report.Health
		if err := json.Unmarshal([]byte(body), &health); err != nil || strings.TrimSpace(code) != "200" || health.Status != "running" {
			t.Fatalf("%s: %v, code %s: %s", script, err, code, body)
		}
		member := health.Nodes[0].MemberStatus
		if member.Tags["role"] != "master" || !strings.HasSuffix(member.Addr, ":7496") || !strings.HasSuffix(member.Name, ".test") || member.Status != "alive" {
			t.Errorf("member is %+v", member)
		}
		for _, probe := range health.Nodes[0].Probes {
			if probe.Status != "running" && probe.Severity != report.SeverityWarning {
				t.Errorf("probe %+v", probe)
			}
		}
	}
	if body := n.must(ctx, t, "curl -sk 'https://localhost:7575/local?checker=docker'"); strings.Count(body, `"checker"`) != 1 || !strings.Contains(body, "containerd") {
		t.Errorf("the probe by its old name: %s", body)
	}
}

// checkContainerd wants the agent to notice by itself, without being asked for
// fresh probes.
func checkContainerd(ctx context.Context, t *testing.T, n node) {
	n.must(ctx, t, "gravity exec systemctl stop containerd")
	began := time.Now()
	n.must(ctx, t, `for i in $(seq 45); do
		curl -sk -w '%{http_code}' https://localhost:7575 | tr -d '\n' | grep -q '"checker":"containerd"[^}]*"status":"failed".*503$' && exit; sleep 1
	done; curl -sk https://localhost:7575; exit 1`)
	t.Logf("the endpoint tells after %.1f s", time.Since(began).Seconds())
	n.status(ctx, t, 3, "containerd is stopped", fails("containerd"))
	n.must(ctx, t, "gravity exec systemctl start containerd")
	n.status(ctx, t, 0, "containerd is back", active)
}

func checkUnits(ctx context.Context, t *testing.T, n node) {
	n.must(ctx, t, "gravity exec systemctl stop kubelet registry; pkill -STOP -x kube-scheduler")
	n.status(ctx, t, 3, "kubelet, registry and scheduler are stopped", fails("kubelet", "registry", "kube-scheduler"))
	n.must(ctx, t, "gravity exec systemctl start kubelet registry; pkill -CONT -x kube-scheduler")
	n.status(ctx, t, 0, "they are back", active)
}

// checkEtcd freezes etcd, so that the API server does not answer.
func checkEtcd(ctx context.Context, t *testing.T, n node) {
	n.must(ctx, t, "pkill -STOP -x etcd")
	s := n.status(ctx, t, 3, "etcd hangs", fails("etcd-healthz", "kube-apiserver"))
	if len(s.LocalChecks) == 0 || s.Error == "" || s.Cluster.Domain != "test" || s.Cluster.Token.Token != "opensesame" {
		t.Errorf("the fallback is %+v", s)
	}
	stdout, stderr, code := n.shell(ctx, t, "gravity status")
	if code != 3 || !strings.Contains(stdout, "Failed to query Gravity cluster status. Running additional checks\n") ||
		!strings.Contains(stdout, "[×]\tetcd-healthz: ") {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
	n.must(ctx, t, "pkill -CONT -x etcd")
	n.status(ctx, t, 0, "etcd goes on", active)
}

// checkAgent stops the agent, with it the way to the API server, while the
// application begins to fail; the agent notices that when it starts again.
func checkAgent(ctx context.Context, t *testing.T, n node) {
	n.must(ctx, t, "kubectl create configmap broken -n kube-system && systemctl stop gravity-agent")
	s := n.status(ctx, t, 3, "the agent is stopped", func(s *report.Status) bool { return s.Cluster.State == "degraded" && s.Error != "" })
	if s.Cluster.ServerVersion.Version != "" || s.Cluster.Nodes[0].Hostname != "node-1" {
		t.Errorf("status is %+v", s)
	}
	n.must(ctx, t, "systemctl start gravity-agent")
	s = n.status(ctx, t, 3, "the status hook fails", func(s *report.Status) bool {
		return s.Cluster.State == "degraded" && s.Cluster.Reason == "status_check_failed" && s.Cluster.SystemStatus == report.SystemRunning
	})
	if !strings.Contains(s.Cluster.Message, "hook status") {
		t.Errorf("the message is %q", s.Cluster.Message)
	}
	if log := n.must(ctx, t, "cat /var/lib/gravity/log/hooks/watched-status-check.log"); !strings.Contains(log, "shop is closed") {
		t.Errorf("the hook's log is %q", log)
	}
	n.must(ctx, t, "kubectl delete configmap broken -n kube-system")
	n.status(ctx, t, 0, "the status hook succeeds", active)
	if jobs := n.must(ctx, t, "kubectl get jobs -n kube-system -o name | grep status || true"); strings.Count(jobs, "\n") > 1 {
		t.Errorf("jobs are left: %s", jobs)
	}
}

func checkHistory(ctx context.Context, t *testing.T, n node) {
	history := n.must(ctx, t, "gravity status history")
	t.Log(history)
	if !strings.Contains(history, "Z [Leader Elected]    node=node-1\n") {
		t.Error("nobody leads")
	}
	rest := history
	for _, want := range []string{
		"Z [Probe Failed]      node=node-1 checker=containerd\n", "Z [Node Degraded]     node=node-1\n",
		"Z [Probe Succeeded]   node=node-1 checker=containerd\n", "Z [Node Recovered]    node=node-1\n",
		"checker=registry\n", "checker=etcd-healthz\n", "[Cluster Degraded]\n", "[Cluster Recovered]\n",
	} {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("no %q at its place in:\n%s", want, history)
		}
		rest = after
	}
	if docker := n.must(ctx, t, "gravity status history --checker=docker"); !strings.Contains(docker, "checker=containerd") || strings.Contains(docker, "etcd") {
		t.Errorf("the history of one probe:\n%s", docker)
	}
}

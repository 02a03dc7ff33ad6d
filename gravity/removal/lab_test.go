package removal_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
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

const hook = `
    job: |
      apiVersion: batch/v1
      kind: Job
      metadata: {name: hook}
      spec:
        template:
          spec:
            restartPolicy: Never
            containers:
              - name: hook
                image: docker.io/library/hook:1
                command: [sh, -c, "echo about $GRAVITY_NODE_NAME; kubectl get nodes -o name; kubectl get nodes --field-selector=spec.unschedulable=true -o name | sed s/^/cordoned:/"]
`

var shop = installtest.Application{
	Manifest: `apiVersion: cluster.gravitational.io/v2
kind: Cluster
metadata:
  name: shop
  resourceVersion: 1.0.0
installer:
  flavors:
    items:
      - name: one
        nodes: [{profile: node, count: 1}]
providers:
  generic:
    network: {type: host-gw}
nodeProfiles:
  - name: node
  - name: worker
    labels: {node-role.kubernetes.io/node: "true"}
hooks:
  preNodeRemove:` + hook + `  postNodeRemove:` + hook,
	Name: "shop", Version: "1.0.0",
	Images: map[string]string{
		"docker.io/library/pause:1": "registry.k8s.io/pause:3.10.2",
		"docker.io/library/hook:1":  "gravity.local/master:" + installtest.Version,
	},
}

// pods are spread over the nodes, and a budget lets one go at a time.
const pods = `apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: default}
spec:
  replicas: 3
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      topologySpreadConstraints:
        - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {app: shop}}}
      terminationGracePeriodSeconds: 1
      containers: [{name: shop, image: "docker.io/library/pause:1"}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: shop, namespace: default}
spec:
  maxUnavailable: 1
  selector: {matchLabels: {app: shop}}
`

// site is a lab with a cluster.
type site struct {
	*testing.T
	machines []*lab.Machine // node-1, node-2, …
	before   []string       // how they were
	program  string         // gravity
}

func (s *site) run(ctx context.Context, n int, script string) (string, error) {
	s.Helper()
	result, err := s.machines[n-1].Run(ctx, lab.Command{Args: []string{"sh", "-c", script}})
	return strings.TrimSpace(result.Stdout), err
}

// must runs a script on a node that has to succeed.
func (s *site) must(ctx context.Context, n int, script string) string {
	s.Helper()
	text, err := s.run(ctx, n, script)
	if err != nil {
		installtest.Diagnose(s.T, s.machines[n-1])
		s.Fatalf("node-%d: %s: %v\n%s", n, script, err, text)
	}
	return text
}

// refused runs a script that has to fail, with some words.
func (s *site) refused(ctx context.Context, n int, script string, words ...string) {
	s.Helper()
	_, err := s.run(ctx, n, script)
	for _, word := range words {
		if err == nil || !strings.Contains(err.Error(), word) {
			s.Errorf("node-%d: %s: %v, want %q", n, script, err, word)
		}
	}
}

// until runs a script until it succeeds.
func (s *site) until(ctx context.Context, n int, script string) {
	s.Helper()
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	defer cancel()
	for {
		text, err := s.run(ctx, n, script)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			installtest.Diagnose(s.T, s.machines[n-1])
			s.Fatalf("node-%d: %s: %v\n%s", n, script, err, text)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func (s *site) address(ctx context.Context, n int) netip.Addr {
	s.Helper()
	status, err := s.machines[n-1].Status(ctx)
	if err != nil {
		s.Fatal(err)
	}
	return status.Address
}

// join makes a machine a node.
func (s *site) join(ctx context.Context, n int, role string) {
	s.Helper()
	began := time.Now()
	s.must(ctx, n, fmt.Sprintf("/root/gravity join %s --token=%s --role=%s 2>&1", s.address(ctx, 1), joinToken, role))
	s.until(ctx, 1, fmt.Sprintf("kubectl wait --for=condition=Ready node/node-%d --timeout=5s", n))
	s.Logf("%.1f s to join node-%d", time.Since(began).Seconds(), n)
}

// joinToken is the cluster's.
const joinToken = "a-token-for-tests"

// as wants a machine to be as it was.
func (s *site) as(ctx context.Context, n int) {
	s.Helper()
	s.until(ctx, n, "test ! -e /etc/systemd/system/gravity-uninstall.service && systemctl is-active gravity-uninstall | grep -qvx -e active -e activating -e deactivating")
	after, err := s.run(ctx, n, installtest.Snapshot)
	if err != nil {
		s.Fatal(err)
	}
	installtest.Compare(s.T, s.before[n-1], after)
	if s.Failed() {
		text, _ := s.run(ctx, n, "journalctl -b -o short-precise -n 60 -u gravity-uninstall -u gravity-master -u gravity-agent; systemctl status gravity-uninstall")
		s.Fatalf("node-%d:\n%s", n, text)
	}
}

// completed waits for the operation that a command has printed to be completed
// on a master.
func (s *site) completed(ctx context.Context, n int, id string) {
	s.Helper()
	if id == "" || strings.ContainsAny(id, " \n") {
		s.Fatalf("the operation is %q", id)
	}
	s.until(ctx, n, "gravity plan --operation-id="+id+" -o short | grep -E '^. finish +Completed' || { gravity plan --operation-id="+id+"; false; }")
	s.Logf("%s", s.must(ctx, n, "gravity plan --operation-id="+id))
}

// lead finds the master that has an operation.
func (s *site) lead(ctx context.Context, id string) int {
	s.Helper()
	for n := range s.machines {
		if _, err := s.run(ctx, n+1, "test -d /var/lib/gravity/operations/"+id); err == nil {
			return n + 1
		}
	}
	s.Fatalf("no node has operation %s", id)
	return 0
}

// newSite makes a lab of three machines and a cluster of the first.
func newSite(ctx context.Context, t *testing.T, name string) *site {
	t.Helper()
	program := installtest.Program(t)
	s := &site{T: t, program: program, machines: installtest.Machines(t, name, 3, installtest.Bundle(t, program, shop), program)}
	for n := range s.machines {
		s.before = append(s.before, s.must(ctx, n+1, installtest.Snapshot))
	}
	s.must(ctx, 1, "/root/app/install --cluster=test --role=node --token="+joinToken+" >/dev/null")
	return s
}

// TestLeaveAndRemove builds a cluster of two masters and a worker and takes it
// apart again, node by node.
func TestLeaveAndRemove(t *testing.T) {
	installtest.SkipWithoutLab(t)
	ctx, cancel := context.WithTimeout(t.Context(), 25*time.Minute)
	defer cancel()
	s, random := newSite(ctx, t, "removal"), seeded(t)
	alone(ctx, s)
	agents(ctx, s, s.program)
	s.join(ctx, 3, "worker")
	s.join(ctx, 2, "node")
	if err := s.machines[0].CopyTo(ctx, strings.NewReader(pods), "/root/pods.yaml", 0o644); err != nil {
		t.Fatal(err)
	}
	s.must(ctx, 1, "kubectl apply -f /root/pods.yaml && kubectl rollout status deployment/shop --timeout=120s && rm /root/pods.yaml")
	s.members(ctx, "node-1 alive", "node-2 alive", "node-3 alive")
	s.routes(ctx)
	workerLeaves(ctx, s)
	s.members(ctx, "node-1 alive", "node-2 alive")
	workerLosesPower(ctx, s)
	workerDies(ctx, s)
	s.members(ctx, "node-1 alive", "node-2 alive")
	masterDies(ctx, s, random)
	masterIsRemoved(ctx, s, random)
	s.must(ctx, 1, "gravity leave --force --confirm")
	s.as(ctx, 1)
}

// alone tries to remove the only node.
func alone(ctx context.Context, s *site) {
	s.refused(ctx, 1, "gravity leave --confirm", "cannot remove the last master server", "gravity leave --force")
	s.refused(ctx, 1, "gravity remove node-1 --confirm", "cannot remove the last master server")
	s.refused(ctx, 1, "gravity remove node-9 --confirm", `node "node-9" is not a member of the cluster`)
	s.refused(ctx, 1, "gravity leave --force", "nobody is there to confirm it", "--confirm")
	s.refused(ctx, 2, "/root/gravity leave --confirm --force", "nothing of Gravity is in /var/lib/gravity")
	s.must(ctx, 2, fmt.Sprintf("/root/gravity join %s --token=%s --role=worker --manual", s.address(ctx, 1), joinToken))
	s.refused(ctx, 2, "/root/gravity leave --confirm", "please use --force flag to clean up the local state")
	s.must(ctx, 2, "/root/gravity leave --confirm --force")
	s.as(ctx, 2)
}

// agents runs another gravity as agent, and the installed one again.
func agents(ctx context.Context, s *site, program string) {
	s.Helper()
	status := func(command string) report.Agent {
		var found report.Agents
		if err := json.Unmarshal([]byte(s.must(ctx, 1, command+" -o json")), &found); err != nil || len(found.Agents) != 1 {
			s.Fatalf("%s: %v, %v", command, found, err)
		}
		return found.Agents[0]
	}
	installed := status("gravity agent status")
	if installed.State != report.AgentRunning || installed.Deployed {
		s.Errorf("the agent is %+v", installed)
	}
	other := filepath.Join(s.TempDir(), "gravity")
	content, err := os.ReadFile(program)
	if err == nil {
		err = os.WriteFile(other, append(content, "other"...), 0o755)
	}
	if err == nil {
		err = s.machines[0].CopyFileTo(ctx, other, "/root/app/other", 0o755)
	}
	if err != nil {
		s.Fatal(err)
	}
	deployed := status("/root/app/other agent deploy")
	if deployed.Digest == installed.Digest || !deployed.Deployed {
		s.Errorf("after deploy the agent is %+v", deployed)
	}
	s.must(ctx, 1, "kubectl get nodes")
	// It is the deployed one also when it starts again.
	s.must(ctx, 1, "systemctl restart gravity-agent && sleep 1")
	s.until(ctx, 1, "gravity agent status | grep deployed")
	if back := status("gravity agent shutdown"); back.Digest != installed.Digest || back.Deployed {
		s.Errorf("after shutdown the agent is %+v", back)
	}
	s.must(ctx, 1, "rm /root/app/other")
}

// workerLeaves has a worker leave.
func workerLeaves(ctx context.Context, s *site) {
	text := s.must(ctx, 3, "gravity leave --confirm")
	id, found := strings.CutSuffix(text, `", use 'gravity status' to poll its progress`)
	id, begun := strings.CutPrefix(id, `launched operation "`)
	if !found || !begun {
		s.Fatalf("gravity leave prints %q", text)
	}
	lead := s.lead(ctx, id)
	s.completed(ctx, lead, id)
	s.as(ctx, 3)
	if nodes := s.must(ctx, 1, "kubectl get nodes -o name"); nodes != "node/node-1\nnode/node-2" {
		s.Errorf("the nodes are %s", nodes)
	}
	s.must(ctx, 1, "kubectl rollout status deployment/shop --timeout=60s")
	if log := s.must(ctx, lead, "cat /var/lib/gravity/log/hooks/shop-prenoderemove-*.log"); !strings.Contains(log, "about node-3") || !strings.Contains(log, "cordoned:node/node-3") {
		s.Errorf("the hook before it says %q", log)
	}
	if log := s.must(ctx, lead, "cat /var/lib/gravity/log/hooks/shop-postnoderemove-*.log"); strings.Contains(log, "node/node-3") {
		s.Errorf("the hook after it says %q", log)
	}
	if state := s.must(ctx, 1, "kubectl get configmap -n gravity-system cluster -o jsonpath='{.data.state}/{.data.operation}'"); state != "active/" {
		s.Errorf("the cluster is %s", state)
	}
}

// routes wants the network that the manifest asks for: packets between pods of
// different nodes are sent as they are.
func (s *site) routes(ctx context.Context) {
	s.Helper()
	if err := s.machines[0].CopyTo(ctx, strings.NewReader(installtest.TalkObjects), "/root/talk.yaml", 0o644); err != nil {
		s.Fatal(err)
	}
	s.must(ctx, 1, "kubectl apply -f /root/talk.yaml && rm /root/talk.yaml")
	installtest.Talk(ctx, s.T, s.machines[0], 3)
	for n := range s.machines {
		if found := s.must(ctx, n+1, "ip route | grep -c '^10.244.*via'; ip -o link show type vxlan"); found != "2" {
			s.Errorf("node-%d has these routes and interfaces to other nodes' pods: %s", n+1, found)
		}
	}
	s.must(ctx, 1, "kubectl delete daemonset,service talk")
}

// members waits until the agents see each other so.
func (s *site) members(ctx context.Context, want ...string) {
	s.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		var found report.Agents
		text, err := s.run(ctx, 1, "gravity agent status -o json")
		var got []string
		if json.Unmarshal([]byte(text), &found) == nil {
			for _, agent := range found.Agents {
				got = append(got, agent.Node+" "+agent.Membership)
			}
		}
		if err == nil && slices.Equal(got, want) {
			return
		}
		select {
		case <-ctx.Done():
			s.Fatalf("the members are %s (%v), want %s", got, err, want)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// workerLosesPower has a worker leave that loses its power while it removes its
// software: it goes on when it is back.
func workerLosesPower(ctx context.Context, s *site) {
	s.join(ctx, 3, "worker")
	id := s.must(ctx, 1, "gravity remove node-3 --confirm --quiet")
	s.until(ctx, 3, "test -e /etc/systemd/system/gravity-uninstall.service")
	if err := s.machines[2].Kill(ctx); err != nil {
		s.Fatal(err)
	}
	if err := s.machines[2].Start(ctx); err != nil {
		s.Fatal(err)
	}
	s.completed(ctx, 1, id)
	s.as(ctx, 3)
}

// workerDies takes the power of a worker away: it is only removed by force.
func workerDies(ctx context.Context, s *site) {
	s.join(ctx, 3, "worker")
	if err := s.machines[2].Kill(ctx); err != nil {
		s.Fatal(err)
	}
	s.refused(ctx, 1, "gravity remove node-3 --confirm", "node node-3", "is not reachable", "--force")
	s.must(ctx, 1, fmt.Sprintf("gravity remove %s --force --confirm --wait", s.address(ctx, 3)))
	if nodes := s.must(ctx, 1, "kubectl get nodes -o name"); nodes != "node/node-1\nnode/node-2" {
		s.Errorf("the nodes are %s", nodes)
	}
	if err := s.machines[2].Start(ctx); err != nil {
		s.Fatal(err)
	}
	// It learns that it is no member any more, stops, says so, and does not come back.
	s.until(ctx, 3, "! systemctl is-active gravity-master && gravity status 2>&1 | grep 'not a member of cluster test any more.*gravity leave --force'")
	s.must(ctx, 3, "systemctl reset-failed gravity-master; systemctl restart gravity-agent gravity-master; sleep 5; ! systemctl is-active gravity-master")
	s.until(ctx, 3, "journalctl -u gravity-agent -o cat | grep 'not a member of cluster test any more'")
	if nodes := s.must(ctx, 1, "kubectl get nodes -o name"); nodes != "node/node-1\nnode/node-2" {
		s.Errorf("after the machine is back the nodes are %s", nodes)
	}
	s.refused(ctx, 3, "gravity leave --confirm", "this server is not a part of the running cluster, please use --force flag to clean up the local state")
	s.must(ctx, 3, "gravity leave --confirm --force")
	s.as(ctx, 3)
}

// masterIsRemoved removes one of two masters.
func masterIsRemoved(ctx context.Context, s *site, random *rand.Rand) {
	s.refused(ctx, 2, "gravity remove node-3 --confirm", "not a member")
	s.interrupted(ctx, random, 2, []int{1}, at(random, masterPhases, killOperation, powerOff))
	if members := s.must(ctx, 1, "gravity exec sh -c 'etcdctl --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt --key=/etc/kubernetes/pki/etcd/healthcheck-client.key member list'"); strings.Contains(members, "node-2") {
		s.Errorf("etcd has %s", members)
	}
	s.until(ctx, 1, "! grep -F "+s.address(ctx, 2).String()+" /var/lib/gravity/agent/masters.json")
}

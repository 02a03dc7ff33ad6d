package removal_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/install/installtest"
)

// TestBroken removes nodes that are broken in ways that leave their agents alive.
func TestBroken(t *testing.T) {
	installtest.SkipWithoutLab(t)
	if os.Getenv(allVariable) == "" {
		t.Skipf("it removes broken nodes for minutes; %s asks for that", allVariable)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	s := newSite(ctx, t, "broken")
	s.join(ctx, 2, "node")
	s.join(ctx, 3, "worker")
	if err := s.machines[0].CopyTo(ctx, strings.NewReader(pods), "/root/pods.yaml", 0o644); err != nil {
		t.Fatal(err)
	}
	s.must(ctx, 1, "kubectl apply -f /root/pods.yaml && kubectl rollout status deployment/shop --timeout=120s && rm /root/pods.yaml")
	stopped(ctx, s)
	forgotten(ctx, s)
}

// stopped removes a worker whose container was stopped: its pods never end, but its
// agent removes everything.
func stopped(ctx context.Context, s *site) {
	began := time.Now()
	s.must(ctx, 3, "systemctl stop gravity-master")
	s.must(ctx, 1, "gravity remove node-3 --force --confirm --wait")
	s.Logf("%.1f s to remove a node whose container is stopped", time.Since(began).Seconds())
	s.as(ctx, 3)
	if nodes := s.must(ctx, 1, "kubectl get nodes -o name"); nodes != "node/node-1\nnode/node-2" {
		s.Errorf("the nodes are %s", nodes)
	}
	s.must(ctx, 1, "kubectl rollout status deployment/shop --timeout=60s")
}

// forgotten removes a master whose Node somebody has deleted, also from etcd.
func forgotten(ctx context.Context, s *site) {
	s.must(ctx, 2, "gravity exec systemctl stop kubelet") // it would register again
	s.must(ctx, 1, "kubectl delete node node-2")
	s.must(ctx, 1, "gravity remove node-2 --force --confirm --wait")
	s.as(ctx, 2)
	const list = "gravity exec etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt " +
		"--cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt --key=/etc/kubernetes/pki/etcd/healthcheck-client.key member list"
	if members := s.must(ctx, 1, list); strings.Contains(members, "node-2") {
		s.Errorf("the members of etcd are %s", members)
	}
	s.members(ctx, "node-1 alive")
	s.join(ctx, 2, "node")
}

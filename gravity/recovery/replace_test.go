package recovery_test

import (
	"context"
	"fmt"
	"os"
	"strings"
)

// replacement loses a master for good and replaces it by a new machine, in one of
// two orders: it is removed first, or the new machine joins first. All cases are
// both, one after the other.
func (s *site) replacement(ctx context.Context) {
	orders := []func(context.Context, int, int, int){s.removeFirst, s.joinFirst}
	if os.Getenv(allVariable) == "" {
		i := s.random.IntN(2)
		orders = orders[i : i+1]
	}
	lost, spare := 1+s.random.IntN(3), 5
	stays := 1 + lost%3
	for _, replace := range orders {
		s.do(ctx, s.machines[lost-1].Kill)
		replace(ctx, lost, spare, stays)
		s.masters(ctx, stays)
		s.rows.addresses = nil
		for n, address := range s.addresses {
			if n+1 != lost {
				s.rows.addresses = append(s.rows.addresses, address)
			}
		}
		s.complete(ctx, "after the replacement")
		s.returns(ctx, lost, stays)
		// The machine is new for the next time.
		s.must(ctx, lost, "gravity leave --confirm --force")
		s.until(ctx, lost, "test ! -e /etc/systemd/system/gravity-uninstall.service && ! systemctl is-active gravity-uninstall")
		lost, spare = spare, lost
	}
}

// returns starts a master that was removed while it had no power. It learns that it
// is no member any more, stops, says so, and disturbs nobody.
func (s *site) returns(ctx context.Context, lost, stays int) {
	s.Helper()
	s.do(ctx, s.machines[lost-1].Start)
	s.until(ctx, lost, "! systemctl is-active gravity-master && gravity status 2>&1 | grep 'not a member of cluster.*gravity leave --force'")
	s.must(ctx, lost, "systemctl reset-failed gravity-master; systemctl restart gravity-agent gravity-master; sleep 5; ! systemctl is-active gravity-master")
	s.masters(ctx, stays)
	if nodes := s.must(ctx, stays, "kubectl get nodes -o name"); strings.Contains(nodes, fmt.Sprintf("node/node-%d", lost)) {
		s.Errorf("after the removed machine is back the nodes are %s", nodes)
	}
	s.complete(ctx, "after the removed machine is back")
}

// removeFirst is what the guide says.
func (s *site) removeFirst(ctx context.Context, lost, spare, stays int) {
	s.step(lost, "remove, first,", func() { s.remove(ctx, lost, stays) })
	s.join(ctx, spare, stays)
}

// joinFirst is refused while the lost master may come back.
func (s *site) joinFirst(ctx context.Context, lost, spare, stays int) {
	s.until(ctx, stays, fmt.Sprintf("kubectl wait node/node-%d --for=condition=Ready=Unknown --timeout=5s", lost))
	join := fmt.Sprintf("/root/gravity join %s --token=%s", s.addresses[stays-1], joinToken)
	if _, err := s.run(ctx, spare, join); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("master node-%d does not answer", lost)) {
		s.Errorf("a join while a master may come back: %v", err)
	}
	s.until(ctx, spare, join+" >/root/join.log 2>&1 || { tail -n 30 /root/join.log; false; }")
	s.step(lost, "remove, then,", func() { s.remove(ctx, lost, stays) })
}

func (s *site) remove(ctx context.Context, lost, stays int) {
	s.Helper()
	s.must(ctx, stays, fmt.Sprintf("gravity remove node-%d --force --confirm --wait >/root/remove.log 2>&1 || { tail -n 30 /root/remove.log >&2; false; }", lost))
}

// masters wants the cluster to be well, with three masters and three members of
// etcd that vote.
func (s *site) masters(ctx context.Context, ask int) {
	s.Helper()
	s.well(ctx, ask)
	const etcdctl = "gravity exec etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt " +
		"--cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt --key=/etc/kubernetes/pki/etcd/healthcheck-client.key "
	if members := s.must(ctx, ask, etcdctl+"member list | grep -c 'started.*false'"); members != "3" {
		s.Errorf("%s members of etcd vote", members)
	}
	if masters := s.must(ctx, ask, "kubectl get nodes --no-headers -l node-role.kubernetes.io/control-plane | grep -c ' Ready '"); masters != "3" {
		s.Errorf("%s masters are ready", masters)
	}
}

package expand_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/install/installtest"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// unreachable tries to join through machines that are no masters.
func (l *lab4) unreachable(ctx context.Context) {
	const files = "find /var/lib/gravity /etc/systemd/system /usr/local/bin | sort"
	before := output(ctx, l.T, l.machines[1], files)
	through := func(peer string) string { return "/root/gravity join " + peer + " --token=" + l.token }
	own := output(ctx, l.T, l.machines[1], "hostname -I | tr ' ' '\\n' | grep ^10.213")
	l.refused(ctx, 1, through("10.213.255.254"), "10.213.255.254:3009 does not answer", 1)
	l.refused(ctx, 1, through(own), own+":3009 does not answer", 1)
	l.refused(ctx, 1, through(l.peer+":7575"), "it answers 404 Not Found", 1)
	l.refused(ctx, 1, "/root/gravity join "+l.peer, "a join token is missing", 2)
	l.refused(ctx, 1, "/root/gravity join --token=x", "the address of a node is missing", 2)
	l.impostor(ctx)
	if after := output(ctx, l.T, l.machines[1], files); after != before {
		l.Errorf("refused joins leave something: %s, was %s", after, before)
	}
}

// impostorVariable has the address of a master that this program stands before.
const impostorVariable = "GRAVITY_TEST_IMPOSTOR"

// impostor tries to join through somebody who passes all on to a master, and reads
// it on the way: the token is never shown.
func (l *lab4) impostor(ctx context.Context) {
	program, err := os.Executable()
	if err != nil {
		l.Fatal(err)
	}
	if err := l.machines[3].CopyFileTo(ctx, program, "/root/impostor", 0o755); err != nil {
		l.Fatal(err)
	}
	output(ctx, l.T, l.machines[3], fmt.Sprintf("systemd-run --quiet --collect --unit=impostor --setenv=%s=%s:3009 /root/impostor; "+
		"for i in $(seq 100); do ss -Hltn sport = :3009 | grep -q . && exit; sleep 0.1; done; exit 1", impostorVariable, l.peer))
	peer := output(ctx, l.T, l.machines[3], "hostname -I | tr ' ' '\\n' | grep ^10.213")
	l.refused(ctx, 1, "/root/gravity join "+peer+" --token="+l.token, peer+":3009 does not belong to the cluster", 1)
	if seen := output(ctx, l.T, l.machines[3], "journalctl -u impostor -o cat"); !strings.Contains(seen, "/v1/authority") || strings.Contains(seen, "/v1/join") {
		l.Errorf("who stands before a master has seen %s", seen)
	}
	output(ctx, l.T, l.machines[3], "systemctl stop impostor; rm /root/impostor")
}

// crowd has five machines on their way into the cluster, made of one, and a sixth
// that is refused.
func (l *lab4) crowd(ctx context.Context) {
	own := netip.MustParseAddr(output(ctx, l.T, l.machines[1], "hostname -I | tr ' ' '\\n' | grep ^10.213"))
	four := own.As4()
	join := func(n int) string {
		address := netip.AddrFrom4([4]byte{four[0], four[1], four[2], byte(200 + n)})
		return fmt.Sprintf("ip address replace %[1]s/32 dev eth0; hostname many-%[2]d; /root/gravity join %[3]s --token=%[4]s --role=worker --manual "+
			"--state-dir=/var/lib/many-%[2]d --advertise-addr=%[1]s; code=$?; hostname node-2; exit $code", address, n, l.peer, l.token)
	}
	for n := range 5 {
		output(ctx, l.T, l.machines[1], join(n))
	}
	l.refused(ctx, 1, join(5), "at most 5 nodes can be joining simultaneously", cli.ExitBusy)
	output(ctx, l.T, l.machines[1], `set -e
test ! -e /var/lib/many-5
for n in 0 1 2 3 4; do hostname many-$n; /root/gravity leave --force --confirm --state-dir=/var/lib/many-$n; done
hostname node-2
ip -o -4 address show dev eth0 | awk '$4 ~ /\/32$/ {print $4}' | while read address; do ip address del $address dev eth0; done
test -z "$(ls -d /var/lib/many-* 2>/dev/null)"`)
	l.settled(ctx, 1, 1)
}

// rolledBack has a master on its way that is rolled back, and wants cluster and
// machine as they were.
func (l *lab4) rolledBack(ctx context.Context, before string) {
	for _, phase := range []string{"/checks", "/configure", "/bootstrap", "/pull", "/preHook", "/system", "/etcdBackup", "/kubeadm"} {
		output(ctx, l.T, l.machines[2], "/root/gravity plan execute --phase="+phase)
	}
	l.timed(ctx, 0, etcdctl+"member list | grep node-3")
	for _, phase := range []string{"/kubeadm", "/etcdBackup", "/system", "/preHook", "/pull", "/bootstrap", "/configure", "/checks"} {
		l.timed(ctx, 2, "/root/gravity plan rollback --phase="+phase)
	}
	l.settled(ctx, 2, 1)
	if found := output(ctx, l.T, l.machines[0], "kubectl get node node-3 --ignore-not-found -o name"); found != "" {
		l.Error("the node of a join that was rolled back is in Kubernetes")
	}
	output(ctx, l.T, l.machines[2], "/root/gravity leave --force --confirm")
	l.restored(ctx, 2, before)
	output(ctx, l.T, l.machines[0], "kubectl delete configmap before-node-3") // the hook's, which cannot be rolled back
}

// full tries to join with a disk that is full, before and while packages come.
func (l *lab4) full(ctx context.Context) {
	before := output(ctx, l.T, l.machines[3], installtest.Snapshot)
	output(ctx, l.T, l.machines[3], "mkdir -p /var/lib/gravity && fallocate -l $(($(df --output=avail -B1 /var/lib/gravity | tail -n 1) - (200 << 20))) /var/lib/gravity/filler")
	l.refused(ctx, 3, l.join(""), "check disk-space", 1)
	output(ctx, l.T, l.machines[3], "/root/gravity leave --force --confirm && test -e /var/lib/gravity/filler")
	l.refused(ctx, 3, "export GRAVITY_CHECKS_OFF=1; "+l.join(""), "MB free", 1)
	output(ctx, l.T, l.machines[3], "/root/gravity leave --force --confirm && rm /var/lib/gravity/filler")
	l.restored(ctx, 3, before)
	l.settled(ctx, 3, 2)
}

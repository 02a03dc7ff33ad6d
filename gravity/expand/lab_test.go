package expand_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/install/installtest"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

// seedVariable repeats a run of TestJoin.
const seedVariable = "GRAVITY_TEST_SEED"

// lab4 is a cluster to be: the first machine has the bundle, the others have the
// program.
type lab4 struct {
	*testing.T
	machines []*lab.Machine
	peer     string // the first machine's address
	token    string
}

// TestJoin makes a cluster of three masters and a worker, which is killed and
// resumed on its way, and refuses whatever must not join.
func TestJoin(t *testing.T) {
	installtest.SkipWithoutLab(t)
	program := installtest.Program(t)
	l := &lab4{T: t, machines: installtest.Machines(t, "join", 4, installtest.Bundle(t, program, shop), program)}
	ctx, cancel := context.WithTimeout(t.Context(), 25*time.Minute)
	defer cancel()
	before := output(ctx, t, l.machines[2], installtest.Snapshot)
	random := seeded(t)
	l.install(ctx)
	l.refusals(ctx)
	l.unreachable(ctx)
	l.crowd(ctx)
	l.timed(ctx, 1, l.join("--role=worker"))
	l.worker(ctx)
	l.meanwhile(ctx)
	l.rolledBack(ctx, before)
	l.interrupted(ctx, 2, l.join(""), sample(random))
	l.full(ctx)
	l.killed(ctx, 3, random)
	l.cluster(ctx)
	l.loss(ctx)
}

// install makes the cluster.
func (l *lab4) install(ctx context.Context) {
	l.Helper()
	l.timed(ctx, 0, "/root/app/install --cluster=test")
	l.token = output(ctx, l.T, l.machines[0], "cat /var/lib/gravity/agent/token")
	l.peer = output(ctx, l.T, l.machines[0], "hostname -I | tr ' ' '\\n' | grep ^10.213")
}

func (l *lab4) join(args string) string {
	return fmt.Sprintf("/root/gravity join %s --token=%s %s", l.peer, l.token, args)
}

// timed runs a command that must succeed.
func (l *lab4) timed(ctx context.Context, on int, command string) {
	l.Helper()
	began := time.Now()
	if _, err := l.machines[on].Run(ctx, lab.Command{Args: []string{"bash", "-c", command}, Stdout: l.Output(), Stderr: l.Output()}); err != nil {
		installtest.Diagnose(l.T, l.machines[on])
		l.Fatal(err)
	}
	words := strings.Fields(command)
	l.Logf("%.1f s for %s %s on %s", time.Since(began).Seconds(), words[0], words[1], l.machines[on].Name())
}

// refused wants a command to fail with some words, and with an exit code.
func (l *lab4) refused(ctx context.Context, on int, command, want string, code int) {
	l.Helper()
	_, err := l.machines[on].Run(ctx, lab.Command{Args: []string{"bash", "-c", command}})
	failed, ok := errors.AsType[*lab.CommandError](err)
	if !ok || !strings.Contains(err.Error(), want) {
		l.Errorf("%s: %v, want %q", command, err, want)
		return
	}
	if failed.ExitCode != code {
		l.Errorf("%s: exit code %d, want %d", command, failed.ExitCode, code)
	}
}

// refusals are joins that a master refuses; they leave nothing.
func (l *lab4) refusals(ctx context.Context) {
	const files = "find /var/lib/gravity /etc/systemd/system /usr/local/bin | sort"
	before := output(ctx, l.T, l.machines[1], files)
	made := output(ctx, l.T, l.machines[0], "gravity token create --ttl=1s")
	removed := output(ctx, l.T, l.machines[0], "gravity token create")
	output(ctx, l.T, l.machines[0], "gravity token rm "+removed[:8]+"; sleep 1")
	with := func(token string) string { return "/root/gravity join " + l.peer + " --token=" + token }
	l.refused(ctx, 1, with(made), "the join token has expired", 1)
	l.refused(ctx, 1, with(removed), "the cluster does not know this join token", 1)
	l.refused(ctx, 1, with("somebodyelses"), "the cluster does not know this join token", 1)
	l.refused(ctx, 1, with(l.token[:len(l.token)-1]+map[bool]string{true: "3", false: "2"}[strings.HasSuffix(l.token, "2")]), "the join token is wrong, or who answers is not a master of its cluster", 1)
	l.refused(ctx, 1, l.join("--role=nobody"), `no profile found for role "nobody"`, 1)
	l.refused(ctx, 1, "hostname node-1; "+l.join("")+"; code=$?; hostname node-2; exit $code",
		"node node-1 is already registered, remove it using 'gravity remove node-1 --force' first", 1)
	l.refused(ctx, 1, l.join("--advertise-addr="+l.peer), "this machine has no address "+l.peer, 2)
	if after := output(ctx, l.T, l.machines[1], files); after != before {
		l.Errorf("refused joins leave something (-before +after):\n%s", cmp.Diff(strings.Fields(before), strings.Fields(after)))
	}
	l.refused(ctx, 1, l.join("--role=huge"), "check cpu", 1)
	l.refused(ctx, 1, l.join(""), "this machine is joining cluster test already", 1)
	output(ctx, l.T, l.machines[1], "/root/gravity system uninstall --confirm")
	l.refused(ctx, 1, l.join("--mount=nothing:/mnt"), `node profile node has no volume "nothing"`, 2)
	if joins := output(ctx, l.T, l.machines[0], "kubectl get configmap joins -n gravity-system -o jsonpath='{.data}'"); joins != "" && joins != "{}" {
		l.Errorf("joins that were given up keep their places: %s", joins)
	}
}

// worker wants what the profile says on a node that is no master.
func (l *lab4) worker(ctx context.Context) {
	labels := output(ctx, l.T, l.machines[0], "kubectl get node node-2 --show-labels --no-headers")
	for _, want := range []string{"tier=back", "role=worker", "node-role.kubernetes.io/node=true", "gravitational.io/k8s-role=node"} {
		if !strings.Contains(labels, want) {
			l.Errorf("the worker has no label %s, but %s", want, labels)
		}
	}
	if taints := output(ctx, l.T, l.machines[0], "kubectl get node node-2 -o jsonpath='{.spec.taints}'"); taints != `[{"effect":"PreferNoSchedule","key":"flavour","value":"sweet"}]` {
		l.Errorf("the worker has the taints %s", taints)
	}
	left := output(ctx, l.T, l.machines[1], "find /var/lib/gravity -name '*.key' -not -path '*/containerd/*' -not -path '*/runtime/*' -not -path '*/kubelet/*' | sort; find /var/lib/gravity/registry -type f")
	// The key of the membership is every node's.
	if left != "/var/lib/gravity/agent/membership.key\n/var/lib/gravity/certificates/node.key" {
		l.Errorf("the worker has %s", left)
	}
	if hooks := output(ctx, l.T, l.machines[0], "kubectl get configmap before-node-2 after-node-2 -o jsonpath='{.items[*].data.role}'"); hooks != "worker" {
		l.Errorf("the hooks were told the role %q", hooks)
	}
	l.refused(ctx, 1, l.join(""), "this machine is a node of cluster test", 1)
}

// meanwhile has a master on its way, and another machine try to join at the same
// time, also through the worker.
func (l *lab4) meanwhile(ctx context.Context) {
	output(ctx, l.T, l.machines[2], l.join("--manual")+" | grep -E '^[0-9a-f-]{36}$'")
	l.refused(ctx, 3, l.join(""), "can't launch another expand while master node", cli.ExitBusy)
	l.refused(ctx, 3, l.join("--role=worker"), "is joining", cli.ExitBusy)
	through := strings.Replace(l.join("--role=worker"), l.peer, "node-2", 1)
	l.refused(ctx, 3, "echo $(echo "+l.peer+" | sed 's/[0-9]*$/12/') node-2 >>/etc/hosts; "+strings.Replace(through, "--role=worker", "--role=nobody", 1), "no profile found", 1)
	l.refused(ctx, 3, "ip address add "+l.peer+"/32 dev lo; "+through+" --advertise-addr="+l.peer+"; code=$?; ip address del "+l.peer+"/32 dev lo; exit $code",
		"node node-1 is already registered", 1)
}

// killed kills the join of a machine at random moments, and resumes it.
func (l *lab4) killed(ctx context.Context, on int, random *rand.Rand) {
	command := l.join("")
	kills := 0
	for range 7 {
		delay := time.Duration(random.Int64N(int64(11 * time.Second)))
		script := fmt.Sprintf("%s >/tmp/output 2>&1 & sleep %.3f; pid=$(pgrep -f '^/root/gravity join' | head -1); test -n \"$pid\" && kill -9 $pid && echo killed; wait; tail -1 /tmp/output", command, delay.Seconds())
		result := output(ctx, l.T, l.machines[on], script)
		l.Logf("after %s: %s", delay, result)
		if !strings.HasPrefix(result, "killed") {
			break
		}
		kills++
		if output(ctx, l.T, l.machines[on], "ls /var/lib/gravity/operations 2>/dev/null || true") != "" {
			command = "/root/gravity join --resume"
		}
	}
	if kills == 0 {
		l.Error("the join was never killed")
	}
	if active := output(ctx, l.T, l.machines[on], "/root/gravity join --resume 2>&1 || true"); !strings.Contains(active, "is completed") {
		installtest.Diagnose(l.T, l.machines[on])
		l.Fatal(active)
	}
}

const etcdctl = "gravity exec etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt " +
	"--cert=/etc/kubernetes/pki/apiserver-etcd-client.crt --key=/etc/kubernetes/pki/apiserver-etcd-client.key "

// cluster wants all nodes to be what they are to be, and to reach each other.
func (l *lab4) cluster(ctx context.Context) {
	first := l.machines[0]
	if members := output(ctx, l.T, first, etcdctl+"member list | grep -c started.*false"); members != "3" {
		l.Errorf("etcd has %s members that vote", members)
	}
	if ready := output(ctx, l.T, first, "kubectl get nodes --no-headers | grep -c ' Ready '"); ready != "4" {
		l.Errorf("%s nodes are ready", ready)
	}
	const blobs = "cd /var/lib/gravity/registry && find . -type f ! -name '*.partial' | sort | xargs sha256sum | sha256sum"
	want := output(ctx, l.T, first, blobs)
	for _, i := range []int{2, 3} {
		m := l.machines[i]
		if got := output(ctx, l.T, m, blobs); got != want {
			l.Errorf("the store of %s is another than the first's", m.Name())
		}
		servers := output(ctx, l.T, m, "cd /var/lib/gravity/kubernetes && grep -h server: kubelet.conf scheduler.conf controller-manager.conf | sort -u | awk '{print $2}'")
		if own := output(ctx, l.T, m, "gravity exec sh -c 'grep -o https://10.213[0-9.]*:6443 /etc/kubernetes/kubelet.conf'"); servers != own || strings.Contains(servers, "127.0.0.1") {
			l.Errorf("components of %s use %s", m.Name(), servers)
		}
		output(ctx, l.T, m, "kubectl get nodes && gravity token ls")
	}
	if left := output(ctx, l.T, first, "kubectl get secrets -n kube-system -o name | grep bootstrap-token; kubectl get configmap joins -n gravity-system -o jsonpath='{.data}'"); left != "" && left != "{}" {
		l.Errorf("joins leave %s", left)
	}
	if nodes := output(ctx, l.T, first, "kubectl get pods -n kube-system -l k8s-app=kube-dns -o jsonpath='{.items[*].spec.nodeName}' | tr ' ' '\\n' | sort -u | wc -l"); nodes != strconv.Itoa(len(l.machines)) {
		l.Errorf("the DNS runs on %s of %d nodes", nodes, len(l.machines))
	}
	installtest.Talk(ctx, l.T, first, 4)
	// The agents of all nodes say that they are well, soon after the last has joined.
	l.timed(ctx, 0, "for i in $(seq 90); do gravity status >/tmp/status && exit; sleep 1; done; cat /tmp/status; exit 1")
	history := output(ctx, l.T, first, "gravity status history") + "\n"
	for _, m := range l.machines[1:] {
		if !strings.Contains(history, "[Node Added]        node="+m.Name()+"\n") {
			l.Errorf("the history does not know that %s has joined:\n%s", m.Name(), history)
		}
	}
	for _, m := range l.machines {
		masters := output(ctx, l.T, m, "tr , '\\n' </var/lib/gravity/agent/masters.json | grep -c 6443")
		if masters != "3" {
			l.Errorf("%s knows %s masters", m.Name(), masters)
		}
	}
}

// loss takes the first master's power away: nobody else notices.
func (l *lab4) loss(ctx context.Context) {
	if err := l.machines[0].Kill(ctx); err != nil {
		l.Fatal(err)
	}
	l.timed(ctx, 2, "for i in $(seq 60); do kubectl --request-timeout=5s --kubeconfig /var/lib/gravity/kubernetes/admin.conf create configmap lost && exit; sleep 1; done; exit 1")
	l.refused(ctx, 2, "gravity remove node-4 --confirm", "etcd would lose its quorum: 1 of 2 members would be healthy, not node-1", 1)
	// The worker pulls from the masters that are left, and its kubelet reports.
	l.timed(ctx, 1, "gravity exec ctr --namespace test images pull --hosts-dir /etc/containerd/certs.d docker.io/library/hook:1 >/dev/null")
	l.timed(ctx, 1, "gravity exec kubectl --kubeconfig /etc/kubernetes/kubelet.conf --request-timeout=10s get node node-2")
	if err := l.machines[0].Start(ctx); err != nil {
		l.Fatal(err)
	}
	l.timed(ctx, 2, "kubectl wait --for=condition=Ready node/node-1 --timeout=180s")
}

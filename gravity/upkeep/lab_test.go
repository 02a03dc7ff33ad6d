package upkeep_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/install/installtest"
	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

func TestMain(m *testing.M) {
	lab.SuperviseIfAsked()
	os.Exit(m.Run())
}

// allVariable waits for certificates to expire, which takes a quarter of an hour.
const allVariable = "GRAVITY_TEST_ALL"

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
nodeProfiles:
  - name: node
  - name: worker
    serviceRole: node
    labels: {node-role.kubernetes.io/node: "true", shop.kubernetes.io/floor: "2", tier: back}
`,
	Name: "shop", Version: "1.0.0",
	Images: map[string]string{
		"docker.io/library/pause:1": "registry.k8s.io/pause:3.10.2",
		"docker.io/library/shell:1": "gravity.local/master:" + installtest.Version,
	},
}

// config is what nodes that join later have to have as well.
const config = `kind: RuntimeEnvironment
version: v1
spec:
  data: {HTTP_PROXY: "http://192.0.2.1:8001", COLOUR: blue}
---
kind: ClusterConfiguration
version: v1
spec:
  global:
    serviceNodePortRange: "31000-31999"
    featureGates: {APIResponseCompression: false}
  kubelet:
    config:
      kind: KubeletConfiguration
      apiVersion: kubelet.config.k8s.io/v1beta1
      maxPods: 77
`

const joinToken = "a-token-for-tests"

// site is a cluster of a master, another that has joined, and a worker.
type site struct {
	*testing.T
	machines  []*lab.Machine
	addresses []netip.Addr
}

func (s *site) run(ctx context.Context, n int, script string) (string, error) {
	s.Helper()
	result, err := s.machines[n-1].Run(ctx, lab.Command{Args: []string{"bash", "-c", script}})
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

// until runs a script until it succeeds, and tells how long that took.
func (s *site) until(ctx context.Context, n int, script string) time.Duration {
	s.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	for {
		text, err := s.run(ctx, n, script)
		if err == nil {
			return time.Since(began)
		}
		select {
		case <-ctx.Done():
			installtest.Diagnose(s.T, s.machines[n-1])
			s.Fatalf("node-%d: %s: %v\n%s", n, script, err, text)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func (s *site) equal(ctx context.Context, n int, script, want string) {
	s.Helper()
	if got := s.must(ctx, n, script); got != want {
		s.Errorf("node-%d: %s:\n%s\nwant\n%s", n, script, got, want)
	}
}

// step tells how long a part of the test took.
func (s *site) step(name string, do func()) {
	s.Helper()
	began := time.Now()
	do()
	s.Logf("%.1f s for %s", time.Since(began).Seconds(), name)
}

// TestUpkeep makes a cluster and wants what agents keep true to stay so.
func TestUpkeep(t *testing.T) {
	installtest.SkipWithoutLab(t)
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Minute)
	defer cancel()
	program := installtest.Program(t)
	s := &site{T: t, machines: installtest.Machines(t, "upkeep", 3, installtest.Bundle(t, program, shop), program)}
	for _, machine := range s.machines {
		status, err := machine.Status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		s.addresses = append(s.addresses, status.Address)
	}
	lifetime := 2 * time.Hour
	if os.Getenv(allVariable) != "" {
		lifetime = 6 * time.Minute
	}
	if err := s.machines[0].CopyTo(ctx, strings.NewReader(config), "/root/config.yaml", 0o600); err != nil {
		t.Fatal(err)
	}
	s.step("the installation", func() {
		s.must(ctx, 1, fmt.Sprintf("/root/app/install --cluster=test --role=node --token=%s --config=/root/config.yaml --certificate-lifetime=%s 2>&1",
			joinToken, lifetime))
	})
	for n, role := range map[int]string{2: "node", 3: "worker"} {
		s.step("the join of a "+role, func() {
			s.must(ctx, n, fmt.Sprintf("/root/gravity join %s --token=%s --role=%s 2>&1", s.addresses[0], joinToken, role))
			s.until(ctx, 1, fmt.Sprintf("kubectl wait --for=condition=Ready node/node-%d --timeout=5s", n))
		})
	}
	s.step("the configuration", func() { s.configuration(ctx) })
	if lifetime < time.Hour {
		s.step("the end of certificates", func() { s.expire(ctx, lifetime) })
		s.step("machines that are off until the end of certificates", func() { s.sleep(ctx, lifetime) })
	} else {
		s.step("the labels", func() { s.labels(ctx) })
		s.step("a Node deleted by hand", func() { s.deleted(ctx) })
		s.step("another host name", func() { s.renamed(ctx) })
		s.step("another address", func() { s.moved(ctx) })
		s.step("the renewal", func() { s.renew(ctx, lifetime) })
	}
	s.step("a look at everything", func() { s.works(ctx) })
}

// configuration wants what the site has configured on nodes that joined later.
func (s *site) configuration(ctx context.Context) {
	for n := 2; n <= 3; n++ {
		s.equal(ctx, 1, fmt.Sprintf(`kubectl get --raw /api/v1/nodes/node-%d/proxy/configz | grep -oE '"maxPods":[0-9]+|"featureGates":[^}]*}'`, n),
			"\"maxPods\":77\n\"featureGates\":{\"APIResponseCompression\":false}")
		exempt := "localhost,127.0.0.0/8,::1," + s.addresses[n-1].String() + "," + s.addresses[0].String()
		if n == 3 {
			exempt = "localhost,127.0.0.0/8,::1," + s.addresses[2].String() + "," // and those of the masters
		}
		for _, process := range []string{"kubelet", "containerd", "kube-apiserver", "etcd"} {
			if n == 3 && process != "kubelet" && process != "containerd" {
				continue
			}
			text := s.must(ctx, n, fmt.Sprintf("tr '\\0' '\\n' </proc/$(pgrep -xo %s)/environ", process))
			for _, want := range []string{"COLOUR=blue", "HTTP_PROXY=http://192.0.2.1:8001", "NO_PROXY=" + exempt} {
				if !strings.Contains(text, want) {
					s.Errorf("%s of node-%d has no %s, but\n%s", process, n, want, text)
				}
			}
		}
	}
	for _, process := range []string{"kube-apiserver", "kube-controller", "kube-scheduler"} {
		s.must(ctx, 2, "tr '\\0' '\\n' </proc/$(pgrep -xo "+process+")/cmdline | grep -x -- --feature-gates=APIResponseCompression=false")
	}
	s.must(ctx, 2, "tr '\\0' '\\n' </proc/$(pgrep -xo kube-apiserver)/cmdline | grep -x -- --service-node-port-range=31000-31999")
	s.must(ctx, 2, "kubectl create service nodeport ports --tcp=80 --node-port=31500 && kubectl delete service ports")
}

// labels takes labels away, and wants those back that are kept.
func (s *site) labels(ctx context.Context) {
	took := []time.Duration{}
	for node, labels := range map[string][]string{
		"node-3": {"node-role.kubernetes.io/node=true", "shop.kubernetes.io/floor=2", "gravitational.io/k8s-role=node", "kubernetes.io/hostname=node-3"},
		"node-2": {"node-role.kubernetes.io/control-plane="},
	} {
		for _, label := range labels {
			key, _, _ := strings.Cut(label, "=")
			s.must(ctx, 1, fmt.Sprintf("kubectl label node %s %s- %s", node, key, "tier-"))
			took = append(took, s.until(ctx, 1, fmt.Sprintf("kubectl get nodes -l %s -o name | grep -x node/%s", label, node)))
		}
	}
	s.Logf("labels were back after %v", took)
	for _, each := range took {
		if each > time.Minute {
			s.Errorf("a label was back after %s", each)
		}
	}
	// Others are the site's to change.
	s.equal(ctx, 1, "kubectl get nodes -l tier -o name", "")
}

// deleted deletes a Node, which does not come back before somebody says so.
func (s *site) deleted(ctx context.Context) {
	s.must(ctx, 1, "kubectl delete node node-3 --timeout=60s")
	s.must(ctx, 3, "gravity exec systemctl restart kubelet && sleep 15")
	s.equal(ctx, 1, "kubectl get nodes -o name", "node/node-1\nnode/node-2")
	s.until(ctx, 3, "gravity status 2>&1 | grep 'gravity system register'")
	s.must(ctx, 3, "gravity system register")
	s.must(ctx, 3, "grep -x 'registerNode: false' /var/lib/gravity/kubelet/config.yaml")
	s.until(ctx, 1, "kubectl wait --for=condition=Ready node/node-3 --timeout=5s && kubectl get nodes -l node-role.kubernetes.io/node=true -o name | grep -x node/node-3")
}

// renamed gives a machine another name: its node works on, and says so.
func (s *site) renamed(ctx context.Context) {
	s.must(ctx, 3, "hostname elsewhere && systemctl restart gravity-agent gravity-master")
	s.until(ctx, 3, "journalctl -u gravity-agent -o cat | grep 'the host name of this machine is elsewhere now, but its node is node-3'")
	s.until(ctx, 3, "gravity status 2>&1 | grep 'set it back with .hostnamectl hostname node-3.'")
	s.until(ctx, 1, "kubectl wait --for=condition=Ready node/node-3 --timeout=5s")
	s.must(ctx, 3, "hostname node-3")
	s.until(ctx, 3, "gravity status")
}

// moved gives a machine another address: its node does not start until the old one
// is back.
func (s *site) moved(ctx context.Context) {
	old := s.addresses[2].String()
	device := s.must(ctx, 3, "ip -o -4 addr show | awk '$4 ~ /^"+old+"\\// {print $2, $4}'")
	name, with, _ := strings.Cut(device, " ")
	// Another address of the same network, which no machine has.
	other := s.addresses[2].As4()
	other[3] = 250
	s.must(ctx, 3, fmt.Sprintf("ip route show default >/root/route; ip addr add %s/24 dev %s; ip addr del %s dev %s; systemctl restart gravity-agent gravity-master; true",
		netip.AddrFrom4(other), name, with, name))
	s.until(ctx, 3, "journalctl -u gravity-agent -o cat | grep 'this machine does not have the address "+old+" any more'")
	s.until(ctx, 3, "gravity status 2>&1 | grep 'give it back, or remove the node with .gravity remove node-3 --force.'")
	s.must(ctx, 3, "sleep 5; ! systemctl is-active gravity-master && ! pgrep -x kubelet")
	s.must(ctx, 3, fmt.Sprintf("ip addr add %s dev %s; ip addr del %s/24 dev %s; ip route replace $(cat /root/route) || true", with, name, netip.AddrFrom4(other), name))
	s.until(ctx, 3, "systemctl is-active gravity-master && gravity status")
	s.until(ctx, 1, "kubectl wait --for=condition=Ready node/node-3 --timeout=5s")
}

// fingerprints prints the certificates of a node that are renewed, but the one by
// which the kubelet is known.
const fingerprints = `cd /var/lib/gravity && { cat certificates/node.crt kubelet/pki/kubelet.crt
  for f in kubernetes/pki/*.crt kubernetes/pki/etcd/*.crt; do case $f in *ca.crt) ;; *) cat $f;; esac; done
  cat kubernetes/admin.conf kubernetes/scheduler.conf kubernetes/controller-manager.conf; } 2>/dev/null | sha256sum -b; ` +
	"ls kubernetes/pki/*.crt kubernetes/pki/etcd/*.crt kubernetes/*.conf 2>/dev/null | grep -vE 'ca.crt|kubelet.conf' | xargs -r sha256sum; sha256sum certificates/node.crt"

// renew tells the nodes that certificates are good for a longer time than theirs
// are, so that all are due.
func (s *site) renew(ctx context.Context, lifetime time.Duration) {
	before := make([]map[string]bool, len(s.machines))
	for n := range s.machines {
		before[n] = lines(s.must(ctx, n+1, fingerprints))
	}
	s.serving(ctx)
	longer := 4 * lifetime
	s.must(ctx, 1, fmt.Sprintf(`kubectl patch configmap -n gravity-system cluster --type=merge -p '{"data":{"certificate-lifetime":"%s"}}'`, longer))
	for n := range s.machines {
		s.must(ctx, n+1, fmt.Sprintf(`sed -i 's/"certificate_lifetime": [0-9]*/"certificate_lifetime": %d/' /var/lib/gravity/node.json && systemctl restart gravity-agent`, longer.Nanoseconds()))
	}
	for n := range s.machines {
		for {
			left := 0
			text := s.must(ctx, n+1, "test ! -e /var/lib/gravity/kubernetes/renewing || sleep 1; "+fingerprints)
			for line := range lines(text) {
				if before[n][line] {
					left++
				}
			}
			if left == 0 {
				break
			}
			select {
			case <-ctx.Done():
				s.Fatalf("node-%d has not renewed %d certificates:\n%s", n+1, left, text)
			case <-time.After(time.Second):
			}
		}
	}
	for n := 1; n <= 2; n++ {
		s.until(ctx, n, "test ! -e /var/lib/gravity/kubernetes/renewing && cmp <(grep client-certificate-data /root/.kube/config) <(grep client-certificate-data /var/lib/gravity/kubernetes/admin.conf)")
	}
}

func lines(text string) map[string]bool {
	found := map[string]bool{}
	for line := range strings.Lines(text) {
		found[strings.TrimSpace(line)] = true
	}
	return found
}

// serving gives a kubelet a certificate to serve with that is over soon, and wants
// it to serve with another.
func (s *site) serving(ctx context.Context) {
	folder := s.TempDir()
	file := func(name string) string { return filepath.Join(folder, name) }
	request := certificate.Request{Name: "old", DNS: []string{"old"}, Life: time.Minute}
	if err := certificate.SelfSigned(request, file("kubelet.crt"), file("kubelet.key"), time.Now()); err != nil {
		s.Fatal(err)
	}
	s.must(ctx, 3, "systemctl stop gravity-agent")
	for _, name := range []string{"kubelet.key", "kubelet.crt"} {
		if err := s.machines[2].CopyFileTo(ctx, file(name), "/var/lib/gravity/kubelet/pki/"+name, 0o600); err != nil {
			s.Fatal(err)
		}
	}
	s.served(ctx, "old")
	s.must(ctx, 3, "systemctl start gravity-agent")
	s.served(ctx, "node-3")
}

// served waits until the worker's kubelet serves with somebody's certificate.
func (s *site) served(ctx context.Context, want string) {
	s.Helper()
	address := netip.AddrPortFrom(s.addresses[2], 10250).String()
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: 5 * time.Second}, Config: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // it is looked at
	got := ""
	for {
		connection, err := dialer.DialContext(ctx, "tcp", address)
		if err == nil {
			if secure, ok := connection.(*tls.Conn); ok {
				got = secure.ConnectionState().PeerCertificates[0].Subject.CommonName
			}
			_ = connection.Close() // nothing was sent
		}
		if got == want {
			return
		}
		select {
		case <-ctx.Done():
			s.Fatalf("the kubelet serves with the certificate of %q (%v), want %q", got, err, want)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// expire waits until every certificate that there was has expired.
func (s *site) expire(ctx context.Context, lifetime time.Duration) {
	end := time.After(lifetime + lifetime/2)
	for {
		select {
		case <-end:
			return
		case <-ctx.Done():
			s.Fatal(ctx.Err())
		case <-time.After(20 * time.Second):
		}
		// Every component works all the time.
		s.until(ctx, 1, "kubectl get nodes --no-headers | grep -c ' Ready ' | grep -x 3")
	}
}

// sleep has all machines off until their certificates are over. Masters come back by
// themselves; a worker says how it does.
func (s *site) sleep(ctx context.Context, lifetime time.Duration) {
	for _, machine := range s.machines {
		if err := machine.Stop(ctx); err != nil {
			s.Fatal(err)
		}
	}
	select {
	case <-ctx.Done():
		s.Fatal(ctx.Err())
	case <-time.After(lifetime + time.Minute):
	}
	for _, machine := range s.machines {
		if err := machine.Start(ctx); err != nil {
			s.Fatal(err)
		}
	}
	for n := 1; n <= 2; n++ {
		took := s.until(ctx, 1, fmt.Sprintf("kubectl wait --for=condition=Ready node/node-%d --timeout=5s", n))
		s.Logf("node-%d was back after %s", n, took)
	}
	s.until(ctx, 3, "gravity status 2>&1 | grep 'remove the node with .gravity remove node-3 --force.'")
	s.must(ctx, 1, "gravity remove node-3 --force --confirm --wait")
	s.must(ctx, 3, "gravity leave --force --confirm")
	s.must(ctx, 3, fmt.Sprintf("/root/gravity join %s --token=%s --role=worker 2>&1", s.addresses[0], joinToken))
	s.until(ctx, 1, "kubectl wait --for=condition=Ready node/node-3 --timeout=5s")
}

// works uses everything that has a certificate.
func (s *site) works(ctx context.Context) {
	for n := 1; n <= 2; n++ {
		s.until(ctx, n, "kubectl get nodes --no-headers | grep -c ' Ready ' | grep -x 3")
		s.until(ctx, n, "kubectl --kubeconfig /var/lib/gravity/kubernetes/admin.conf get --raw /readyz")
		s.until(ctx, n, "gravity exec sh -c 'etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt "+
			"--cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt --key=/etc/kubernetes/pki/etcd/healthcheck-client.key endpoint health --cluster'")
	}
	// Pods on every node: scheduler, controller manager, kubelets and registries.
	pods := `cat <<'END' | kubectl apply -f -
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: shop, namespace: default}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: shop, image: "docker.io/library/shell:1", command: [sh, -c, "echo hello; exec sleep infinity"]}]
END`
	s.until(ctx, 1, pods) // short lifetimes make API servers start anew often
	s.until(ctx, 1, "kubectl rollout status daemonset/shop --timeout=10s")
	for n := 1; n <= 2; n++ { // each by its own API server
		for pod := range strings.FieldsSeq(s.must(ctx, n, "kubectl get pods -l app=shop -o name")) {
			s.until(ctx, n, "kubectl logs "+pod+" | grep hello && kubectl exec "+pod+" -- true")
		}
	}
	s.until(ctx, 3, "gravity exec ctr --namespace test images pull --hosts-dir /etc/containerd/certs.d docker.io/library/pause:1")
	for n := 1; n <= 3; n++ {
		s.until(ctx, n, "gravity status >/dev/null")
	}
	s.until(ctx, 1, "test $(gravity agent status | grep -c 'running .*alive') = 3")
	s.must(ctx, 1, "kubectl delete daemonset shop")
}

package install_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/install/installtest"
	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

func TestMain(m *testing.M) {
	lab.SuperviseIfAsked()
	os.Exit(m.Run())
}

const shopManifest = `apiVersion: cluster.gravitational.io/v2
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
    labels:
      tier: front
    taints:
      - {key: flavour, value: sweet, effect: PreferNoSchedule}
endpoints:
  - name: Shop
    description: where people buy
    serviceName: shop
    protocol: http
    port: 8080
  - name: Hidden
    serviceName: shop
    hidden: true
hooks:
  install:
    job: |
      apiVersion: batch/v1
      kind: Job
      metadata: {name: install}
      spec:
        backoffLimit: 0
        template:
          spec:
            restartPolicy: Never
            containers:
              - name: hook
                image: docker.io/library/hook:1
                command:
                  - sh
                  - -euc
                  - |
                    echo "hook $GRAVITY_HOOK of $APP_PACKAGE in $GRAVITY_CLUSTER_NAME"
                    if [ "$GRAVITY_CLUSTER_NAME" = second ]; then kubectl get configmap permission; fi
                    kubectl apply -f /var/lib/gravity/resources/objects.yaml
                    helm list --all-namespaces
  postInstall:
    job: |
      apiVersion: batch/v1
      kind: Job
      metadata: {name: post}
      spec:
        template:
          spec:
            restartPolicy: Never
            containers:
              - name: hook
                image: hook:1
                command: [kubectl, get, service, shop, --namespace=default]
systemOptions:
  kubelet:
    args:
      - --eviction-hard="nodefs.available<6%,memory.available<100Mi"
      - --max-pods=42
`

var shop = installtest.Application{
	Manifest: shopManifest, Name: "shop", Version: "1.0.0",
	Images: map[string]string{
		"docker.io/library/pause:1": "registry.k8s.io/pause:3.10.2",
		"docker.io/library/hook:1":  "gravity.local/master:" + installtest.Version, // it has a shell
	},
	Files: map[string]string{"objects.yaml": shopObjects},
}

// shopObjects are what the install hook makes.
const shopObjects = `apiVersion: v1
kind: Service
metadata:
  name: shop
  namespace: default
spec:
  type: NodePort
  ports: [{port: 8080, nodePort: 30088}]
  selector: {app: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop
  namespace: default
spec:
  replicas: 1
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers: [{name: shop, image: "docker.io/library/pause:1"}]
`

// run runs a command on a machine, whose output goes to the test's.
func run(ctx context.Context, t *testing.T, machine *lab.Machine, args ...string) error {
	t.Helper()
	_, err := machine.Run(ctx, lab.Command{Args: args, Stdout: t.Output(), Stderr: t.Output()})
	return err
}

// output runs a shell script on a machine and returns what it printed.
func output(ctx context.Context, t *testing.T, machine *lab.Machine, script string) string {
	t.Helper()
	result, err := machine.Run(ctx, lab.Command{Args: []string{"sh", "-c", script}})
	if err != nil {
		t.Errorf("%s: %v", script, err)
	}
	return strings.TrimSpace(result.Stdout)
}

// installCluster installs a cluster and ends the test if that fails.
func installCluster(ctx context.Context, t *testing.T, machine *lab.Machine, args ...string) {
	t.Helper()
	began := time.Now()
	if err := run(ctx, t, machine, append([]string{"/root/app/install", "--cluster=test"}, args...)...); err != nil {
		installtest.Diagnose(t, machine)
		t.Fatal(err)
	}
	t.Logf("%.1f s from gravity install to an active cluster", time.Since(began).Seconds())
}

// TestInstall installs on a machine that has no way to the outside, from
// nothing but an extracted bundle, takes the machine's power away, and removes
// everything again.
func TestInstall(t *testing.T) {
	installtest.SkipWithoutLab(t)
	program := installtest.Program(t)
	bundle := installtest.Bundle(t, program, shop)
	machine := installtest.Machine(t, "install", bundle)
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	t.Run("refusals", func(t *testing.T) { checkRefusals(ctx, t, machine, bundle) })
	before := output(ctx, t, machine, snapshot)
	installCluster(ctx, t, machine)
	t.Run("node", func(t *testing.T) { checkNode(ctx, t, machine) })
	t.Run("images", func(t *testing.T) { checkImages(ctx, t, machine) })
	t.Run("application", func(t *testing.T) { checkApplication(ctx, t, machine) })
	t.Run("exec", func(t *testing.T) { checkExec(ctx, t, machine) })
	t.Run("terminal", func(t *testing.T) { checkTerminal(ctx, t, machine) })
	t.Run("again", func(t *testing.T) { checkAgain(ctx, t, machine) })
	t.Run("power", func(t *testing.T) { checkPower(ctx, t, machine) })
	began := time.Now()
	if err := run(ctx, t, machine, "/root/app/gravity", "system", "uninstall", "--confirm"); err != nil {
		installtest.Diagnose(t, machine)
		t.Fatal(err)
	}
	t.Logf("%.1f s to uninstall", time.Since(began).Seconds())
	compare(t, before, output(ctx, t, machine, snapshot))
	t.Run("hook fails", func(t *testing.T) { checkHookFails(ctx, t, machine) })
}

// checkApplication wants hooks to have run, with their logs kept, and what they
// made to run from the store.
func checkApplication(ctx context.Context, t *testing.T, machine *lab.Machine) {
	output(ctx, t, machine, "kubectl rollout status deployment/shop --timeout=60s")
	log := output(ctx, t, machine, "cat /var/lib/gravity/log/hooks/shop-install-*.log")
	for _, want := range []string{"hook install of gravitational.io/shop:1.0.0 in test", "deployment.apps/shop created", "NAMESPACE"} {
		if !strings.Contains(log, want) {
			t.Errorf("the hook's log has no %q: %s", want, log)
		}
	}
	if log := output(ctx, t, machine, "cat /var/lib/gravity/log/hooks/shop-postinstall-*.log"); !strings.Contains(log, "30088") {
		t.Errorf("the log of postInstall is %q", log)
	}
}

// checkHookFails installs to another folder, with a hook that fails until it gets
// what it wants.
func checkHookFails(ctx context.Context, t *testing.T, machine *lab.Machine) {
	_, err := machine.Run(ctx, lab.Command{Args: []string{"/root/app/install", "--cluster=second", "--pod-network-cidr=10.9.0.0/16", "--admin-service-accounts", "--state-dir=/var/lib/gravity/elsewhere"}})
	if err == nil || !strings.Contains(err.Error(), "hook install") || !strings.Contains(err.Error(), "read its log in /var/lib/gravity/elsewhere/log/hooks/shop-install-") {
		t.Fatalf("the installation with a hook that fails: %v", err)
	}
	if log := output(ctx, t, machine, "cat /var/lib/gravity/elsewhere/log/hooks/shop-install-*.log"); !strings.Contains(log, `configmaps "permission" not found`) {
		t.Errorf("the hook's log is %q", log)
	}
	output(ctx, t, machine, "kubectl create configmap permission -n kube-system")
	text := output(ctx, t, machine, "/root/app/install --resume --state-dir=/var/lib/gravity/elsewhere 2>&1")
	if !strings.Contains(text, "http://10.") || !strings.Contains(text, ":30088") || strings.Contains(text, "Hidden") {
		t.Errorf("the endpoints are not printed: %s", text)
	}
	// The program knows where it was installed to.
	if got := output(ctx, t, machine, "gravity exec cat /var/lib/gravity/node.json"); !strings.Contains(got, `"cluster": "second"`) {
		t.Errorf("the container's state folder has %s", got)
	}
	if got := output(ctx, t, machine, "kubectl auth can-i list secrets --as=system:serviceaccount:default:default"); got != "yes" {
		t.Errorf("--admin-service-accounts has no effect: %s", got)
	}
}

// checkNode wants the profile's settings on the node.
func checkNode(ctx context.Context, t *testing.T, machine *lab.Machine) {
	nodes := output(ctx, t, machine, "kubectl get nodes --no-headers")
	if !strings.Contains(nodes, " Ready ") || !strings.Contains(nodes, installtest.Version) {
		t.Errorf("nodes: %s", nodes)
	}
	labels := output(ctx, t, machine, "kubectl get nodes --show-labels --no-headers")
	for _, label := range []string{"tier=front", "role=node", "node-role.kubernetes.io/master=", "node-role.kubernetes.io/control-plane="} {
		if !strings.Contains(labels, label) {
			t.Errorf("the node has no label %s, but %s", label, labels)
		}
	}
	taints := output(ctx, t, machine, `kubectl get nodes -o jsonpath='{.items[0].spec.taints}'`)
	if want := `[{"effect":"PreferNoSchedule","key":"flavour","value":"sweet"}]`; taints != want {
		t.Errorf("taints are %s, want %s", taints, want)
	}
	kubelet := output(ctx, t, machine, `kubectl get --raw /api/v1/nodes/node-1/proxy/configz`)
	for _, setting := range []string{
		`"evictionHard":{"memory.available":"100Mi","nodefs.available":"6%"}`, `"maxPods":42`,
		`"evictionSoftGracePeriod":{"imagefs.available":"1h0m0s","imagefs.inodesFree":"1h0m0s","nodefs.available":"1h0m0s","nodefs.inodesFree":"1h0m0s"}`,
	} {
		if !strings.Contains(kubelet, setting) {
			t.Errorf("the kubelet does not have %s: %s", setting, kubelet)
		}
	}
	if modes := output(ctx, t, machine, hairpinModes); modes != "1" {
		t.Errorf("ports of the bridge have hairpin modes %q, want 1", modes)
	}
	if mode := output(ctx, t, machine, "stat -c %a /root/.kube/config"); mode != "600" {
		t.Errorf("the kubeconfig has mode %s", mode)
	}
	if tokens := output(ctx, t, machine, "kubectl get secrets -n kube-system -o name | grep bootstrap-token || true"); tokens != "" {
		t.Errorf("bootstrap tokens are left: %s", tokens)
	}
}

// checkImages wants the registry to serve what the bundle has, to nodes only,
// and containerd to ask nobody else.
func checkImages(ctx context.Context, t *testing.T, machine *lab.Machine) {
	pull := "gravity exec ctr --namespace test images pull --hosts-dir /etc/containerd/certs.d "
	for _, image := range []string{
		"docker.io/library/pause:1", "leader.telekube.local:5000/library/pause:1", "registry.local:5000/library/pause:1", "gravity.local/master:" + installtest.Version,
	} {
		output(ctx, t, machine, pull+image)
	}
	for _, image := range []string{"docker.io/library/pause:2", "ghcr.io/nobody/nothing:1"} {
		if err := run(ctx, t, machine, "sh", "-c", pull+image); err == nil {
			t.Errorf("%s was pulled", image)
		}
	}
	if err := run(ctx, t, machine, "curl", "-ksSf", "https://127.0.0.1:5000/v2/"); err == nil {
		t.Error("the registry serves strangers")
	}
	certificates := "--cacert /var/lib/gravity/certificates/ca.crt --cert /var/lib/gravity/certificates/node.crt --key /var/lib/gravity/certificates/node.key"
	output(ctx, t, machine, "curl -sSf "+certificates+" https://127.0.0.1:5000/v2/docker.io/library/pause/tags/list")
	status := output(ctx, t, machine, "curl -sS -o /dev/null -w '%{http_code}' -X POST "+certificates+" https://127.0.0.1:5000/v2/docker.io/library/pause/blobs/uploads/")
	if status != "405" {
		t.Errorf("an upload is answered with %s, want 405", status)
	}
}

// checkExec wants exit codes, standard input and flags to arrive.
func checkExec(ctx context.Context, t *testing.T, machine *lab.Machine) {
	_, err := machine.Run(ctx, lab.Command{Args: []string{"gravity", "exec", "sh", "-c", "exit 7"}})
	var failed *lab.CommandError
	if !errors.As(err, &failed) || failed.ExitCode != 7 {
		t.Errorf("the exit code is %v, want 7", err)
	}
	for program, want := range map[string]struct {
		code int
		text string
	}{
		"nosuchcommand": {127, "error: nosuchcommand: no such program in the master container"},
		"/etc/hosts":    {126, "error: /etc/hosts: it cannot be executed"},
	} {
		_, err := machine.Run(ctx, lab.Command{Args: []string{"gravity", "exec", program}})
		if !errors.As(err, &failed) || failed.ExitCode != want.code || failed.Tail != want.text {
			t.Errorf("%s: %v, want %d: %s", program, err, want.code, want.text)
		}
	}
	if got := output(ctx, t, machine, "echo hello | gravity exec -i cat"); got != "hello" {
		t.Errorf("cat says %q", got)
	}
	if got := output(ctx, t, machine, "gravity exec cat --version"); !strings.Contains(got, "coreutils") {
		t.Errorf("the command's own flag was taken: %q", got)
	}
	if got := output(ctx, t, machine, "echo hostname | gravity shell"); got != "node-1" {
		t.Errorf("the shell is on %q", got)
	}
}

// checkTerminal wants commands to have the terminal of whoever calls gravity: its
// size, its keys and the exit code.
func checkTerminal(ctx context.Context, t *testing.T, machine *lab.Machine) {
	for name, test := range map[string]struct{ script, want string }{
		"size":   {`out=$(script -qec 'stty cols 97 rows 31; gravity exec -ti sh -c "tty; until stty size | grep -v ^0; do sleep 0.1; done"' /dev/null </dev/null); echo "$out" | grep -oE '/dev/pts|31 97'; echo $?`, "/dev/pts 31 97 0"},
		"shell":  {`printf 'echo $((40+2))\nexit 5\n' | script -qec 'gravity shell' /dev/null >/dev/null; echo $?`, "5"},
		"Ctrl-C": {`{ for i in $(seq 600); do pgrep -x sleep -a | grep -q 987 && break; sleep 0.1; done; printf '\003'; } | script -qec 'gravity exec -ti sh -c "trap \"echo caught; exit 9\" INT; sleep 987"' /dev/null; echo $?`, "^Ccaught 9"},
		"none":   {`gravity exec -ti tty </dev/null 2>&1; echo $?`, "error: standard input is no terminal hint: leave --tty out, or run it from a terminal 1"},
	} {
		got := strings.Join(strings.Fields(output(ctx, t, machine, test.script)), " ")
		if got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// checkAgain wants a second installation to be refused.
func checkAgain(ctx context.Context, t *testing.T, machine *lab.Machine) {
	_, err := machine.Run(ctx, lab.Command{Args: []string{"/root/app/install"}})
	if err == nil || !strings.Contains(err.Error(), "is a node of cluster test") {
		t.Errorf("a second installation: %v", err)
	}
}

// checkPower takes the machine's power away: the cluster comes back by itself.
func checkPower(ctx context.Context, t *testing.T, machine *lab.Machine) {
	if err := machine.Kill(ctx); err != nil {
		t.Fatal(err)
	}
	if err := machine.Start(ctx); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	waitReady(ctx, t, machine)
	t.Logf("%.1f s from sshd to a serving cluster", time.Since(began).Seconds())
}

func waitReady(ctx context.Context, t *testing.T, machine *lab.Machine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	defer cancel()
	for {
		// What the API says of pods is of before until kubelet has reported.
		result, err := machine.Run(ctx, lab.Command{Args: []string{
			"sh", "-c", "kubectl --request-timeout=5s rollout restart -n kube-system daemonset/coredns && kubectl rollout status -n kube-system daemonset/coredns --timeout=120s",
		}})
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			installtest.Diagnose(t, machine)
			t.Fatalf("%v: %s", err, result.Stdout)
		case <-time.After(time.Second):
		}
	}
}

// snapshot prints what must be the same before and after.
const snapshot = installtest.Snapshot

var (
	compare = installtest.Compare
	lines   = installtest.Lines
)

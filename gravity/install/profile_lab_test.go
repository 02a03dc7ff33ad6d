package install_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/install/installtest"
	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

const profileManifest = `apiVersion: cluster.gravitational.io/v2
kind: Cluster
metadata:
  name: profile
  resourceVersion: 1.0.0
installer:
  flavors:
    items:
      - name: one
        nodes: [{profile: master, count: 1}]
nodeProfiles:
  - name: master
    labels:
      node-role.kubernetes.io/master: "true"
      node-role.kubernetes.io/front: "true"
      example.com/tier: front
    taints:
      - {key: node-role.kubernetes.io/master, effect: NoSchedule}
      - {key: flavour, value: sweet, effect: NoSchedule}
    requirements:
      volumes:
        - {name: data, path: /srv/data, targetPath: /srv/inside, mode: "0750", uid: 1234, gid: 1235}
      devices:
        - {path: /dev/fuse}
systemOptions:
  kubelet:
    hairpinMode: none
    args: [--v=3]
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
            securityContext: {runAsUser: -1, runAsGroup: -1}
            tolerations: [{operator: Exists}]
            containers:
              - name: hook
                image: hook:1
                command: [grep, -E, "^(Uid|Gid):", /proc/self/status]
`

var profile = installtest.Application{
	Manifest: profileManifest, Name: "profile", Version: "1.0.0",
	Images: map[string]string{
		"docker.io/library/pause:1": "registry.k8s.io/pause:3.10.2",
		"docker.io/library/hook:1":  "gravity.local/master:" + installtest.Version, // it has a shell
	},
}

// hairpinModes prints the modes that the bridge's ports have.
const hairpinModes = "cat /sys/class/net/cni0/brif/*/hairpin_mode | sort -u"

// probe is a pod that sees what pods see of a node.
const probe = `apiVersion: v1
kind: Pod
metadata: {name: probe}
spec:
  terminationGracePeriodSeconds: 0
  tolerations: [{operator: Exists}]
  volumes: [{name: data, hostPath: {path: /srv/inside, type: Directory}}]
  containers:
    - name: probe
      image: hook:1
      command: [sleep, infinity]
      securityContext: {privileged: true}
      volumeMounts: [{name: data, mountPath: /data}]
`

// TestProfile installs with a profile that sets all that profiles can, and with
// a file of configuration, and looks at what runs. On that cluster it tries what
// users may do.
func TestProfile(t *testing.T) {
	installtest.SkipWithoutLab(t)
	machine := installtest.Machine(t, "profile", installtest.Bundle(t, installtest.Program(t), profile))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	t.Run("bad config", func(t *testing.T) { checkBadConfig(ctx, t, machine) })
	t.Run("bad gate", func(t *testing.T) { checkBadGate(ctx, t, machine) })
	give(ctx, t, machine, "/root/config.yaml", config)
	installCluster(ctx, t, machine, "--mount=data:/srv/other", "--service-uid=4321", "--service-gid=4322", "--dns-zone=corp.example/10.1.1.1:5353",
		"--config=/root/config.yaml")
	give(ctx, t, machine, "/root/probe.yaml", probe)
	output(ctx, t, machine, "kubectl apply -f /root/probe.yaml && kubectl wait --for=condition=Ready pod/probe --timeout=60s")
	t.Run("config", func(t *testing.T) { checkConfig(ctx, t, machine) })
	t.Run("environment", func(t *testing.T) { checkEnvironment(ctx, t, machine) })
	t.Run("configuration", func(t *testing.T) { checkConfiguration(ctx, t, machine) })
	t.Run("labels and taints", func(t *testing.T) { checkLabels(ctx, t, machine) })
	t.Run("kubelet", func(t *testing.T) { checkKubelet(ctx, t, machine) })
	t.Run("volumes and devices", func(t *testing.T) { checkVolumes(ctx, t, machine) })
	t.Run("service user", func(t *testing.T) { checkServiceUser(ctx, t, machine) })
	t.Run("dns", func(t *testing.T) { checkDNS(ctx, t, machine) })
	t.Run("pods", func(t *testing.T) { checkPods(ctx, t, machine) })
	t.Run("trusted", func(t *testing.T) { checkTrusted(ctx, t, machine) })
	t.Run("workloads", func(t *testing.T) { checkWorkloads(ctx, t, machine) })
	t.Run("roles", func(t *testing.T) { checkRoles(ctx, t, machine) })
	t.Run("removal", func(t *testing.T) { checkAccessRemoval(ctx, t, machine) })
}

// give writes a file on a machine.
func give(ctx context.Context, t *testing.T, machine *lab.Machine, path, content string) {
	t.Helper()
	if err := machine.CopyTo(ctx, strings.NewReader(content), path, 0o600); err != nil {
		t.Fatal(err)
	}
}

// equal runs a script on a machine and wants it to print a text.
func equal(ctx context.Context, t *testing.T, machine *lab.Machine, script, want string) {
	t.Helper()
	if got := output(ctx, t, machine, script); got != want {
		t.Errorf("%s\nprints %q, want %q", script, got, want)
	}
}

// checkLabels wants labels and taints on the node, also those that a kubelet may
// not set, and what the original called a master to be one today (S112, S113).
func checkLabels(ctx context.Context, t *testing.T, machine *lab.Machine) {
	for label, want := range map[string]string{
		`node-role\.kubernetes\.io/master`: "true", `node-role\.kubernetes\.io/control-plane`: "", `node-role\.kubernetes\.io/front`: "true",
		`example\.com/tier`: "front", `role`: "master", `gravitational\.io/k8s-role`: "master",
	} {
		equal(ctx, t, machine, `kubectl get nodes -o jsonpath='{range .items[*]}{.metadata.labels.`+label+`}{end}'`, want)
	}
	equal(ctx, t, machine, `kubectl get nodes -o jsonpath='{range .items[0].spec.taints[*]}{.key}={.value}:{.effect}{"\n"}{end}' | sort`,
		"flavour=sweet:NoSchedule\nnode-role.kubernetes.io/control-plane=:NoSchedule\nnode-role.kubernetes.io/master=:NoSchedule")
	roles := output(ctx, t, machine, `kubectl get nodes --no-headers | awk '{print $3}'`)
	if roles != "control-plane,front,master" {
		t.Errorf("the node's roles are %s", roles)
	}
}

// checkKubelet wants the defaults of evictions (S108, S109), and flags that are
// no fields of the configuration on the command line.
func checkKubelet(ctx context.Context, t *testing.T, machine *lab.Machine) {
	configuration := output(ctx, t, machine, "kubectl get --raw /api/v1/nodes/node-1/proxy/configz")
	for _, setting := range []string{
		`"evictionHard":{"imagefs.available":"5%","imagefs.inodesFree":"5%","memory.available":"64Mi","nodefs.available":"5%","nodefs.inodesFree":"5%"}`,
		`"evictionSoft":{"imagefs.available":"10%","imagefs.inodesFree":"10%","nodefs.available":"10%","nodefs.inodesFree":"10%"}`,
		`"evictionSoftGracePeriod":{"imagefs.available":"1h0m0s","imagefs.inodesFree":"1h0m0s","nodefs.available":"1h0m0s","nodefs.inodesFree":"1h0m0s"}`,
		`"hairpinMode":"none"`,
	} {
		if !strings.Contains(configuration, setting) {
			t.Errorf("the kubelet does not have %s: %s", setting, configuration)
		}
	}
	equal(ctx, t, machine, `tr '\0' '\n' </proc/$(pgrep -x kubelet)/cmdline | grep -x -- --v=3`, "--v=3")
	equal(ctx, t, machine, hairpinModes, "0")
	// It runs in the container's cgroup, and pods in that of Kubernetes.
	for process, want := range map[string]string{"kubelet": "gravity", "flanneld": "kubepods"} {
		cgroups := output(ctx, t, machine, "cat /proc/$(pgrep -x "+process+" | head -1)/cgroup")
		if !strings.Contains(cgroups, want) {
			t.Errorf("%s is not in a cgroup of %s: %s", process, want, cgroups)
		}
	}
}

// checkVolumes wants a volume of the profile in the master container and in
// pods, as its owner, and a device that can be opened.
func checkVolumes(ctx context.Context, t *testing.T, machine *lab.Machine) {
	equal(ctx, t, machine, "stat -c '%a %u %g' /srv/other", "750 1234 1235")
	equal(ctx, t, machine, "ls -d /srv/data 2>/dev/null || true", "")
	equal(ctx, t, machine, "echo host >/srv/other/file; gravity exec cat /srv/inside/file", "host")
	equal(ctx, t, machine, "kubectl exec probe -- sh -c 'cat /data/file; echo pod >/data/file' && cat /srv/other/file", "host\npod")
	const open = `sh -c 'exec 3<>/dev/fuse && stat -c %t:%T /dev/fuse'`
	equal(ctx, t, machine, "gravity exec "+open, "a:e5")
	equal(ctx, t, machine, "kubectl exec probe -- "+open, "a:e5")
}

// checkServiceUser wants -1 in a hook to have been the service user (S12).
func checkServiceUser(ctx context.Context, t *testing.T, machine *lab.Machine) {
	equal(ctx, t, machine, "awk '{print $1, $2, $3}' /var/lib/gravity/log/hooks/profile-install-*.log", "Uid: 4321 4321\nGid: 4322 4322")
}

// checkDNS wants names of the cluster to be known in pods, the host's resolvers
// to be asked for others, and what people add to count (S116).
func checkDNS(ctx context.Context, t *testing.T, machine *lab.Machine) {
	const lookup = "kubectl exec probe -- getent hosts "
	equal(ctx, t, machine, lookup+"kubernetes.default.svc.cluster.local | awk '{print $1}'", "10.101.0.1")
	equal(ctx, t, machine, lookup+"leader.telekube.local | awk '{print $1}'", output(ctx, t, machine, "kubectl get node node-1 -o jsonpath='{.status.addresses[0].address}'"))
	const corefile = "kubectl get configmap coredns -n kube-system -o jsonpath='{.data.Corefile}'"
	equal(ctx, t, machine, corefile+" | grep -o 'forward [.] .* {'",
		output(ctx, t, machine, `echo "forward . $(awk '/^nameserver/ && !/ 127[.]/ {print $2}' /etc/resolv.conf | xargs) {"`))
	if text := output(ctx, t, machine, corefile); !strings.Contains(text, "corp.example:53 {") || !strings.Contains(text, "forward . 10.1.1.1:5353") {
		t.Errorf("the zone has no resolver: %s", text)
	}
	output(ctx, t, machine, `kubectl get configmap coredns -n kube-system -o yaml | sed 's/^\( *\)ready$/&\n\1hosts {\n\1  10.9.9.9 custom.example\n\1  fallthrough\n\1}/' | kubectl replace -f - &&
		kubectl rollout restart -n kube-system daemonset/coredns && kubectl rollout status -n kube-system daemonset/coredns --timeout=90s`)
	// Packets go to the new servers once every proxy knows them.
	equal(ctx, t, machine, "for i in $(seq 60); do "+lookup+"custom.example && break; sleep 0.5; done | awk '{print $2}'", "custom.example")
}

package install_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/install/installtest"
	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

// config has objects of Kubernetes and Gravity's documents (S11).
const config = `apiVersion: v1
kind: Namespace
metadata: {name: team}
---
kind: LogForwarder
version: v2
metadata: {name: forwarder@example}
spec: {address: 192.168.100.1:514}
---
kind: RuntimeEnvironment
version: v1
spec:
  data:
    HTTP_PROXY: "user:confidential@192.0.2.1:8001"
    ODD: "a \"b\" $(HOME) $$ 50% \\ 'c'"
---
kind: ClusterConfiguration
version: v1
spec:
  global:
    podCIDR: 10.9.0.0/16
    serviceCIDR: 10.101.0.0/16
    serviceNodePortRange: "31000-31999"
    proxyPortRange: "0-0"
    featureGates: {APIResponseCompression: false}
  kubelet:
    config:
      kind: KubeletConfiguration
      apiVersion: kubelet.config.k8s.io/v1beta1
      nodeLeaseDurationSeconds: 50
      readOnlyPort: 10255
      evictionHard: {memory.available: 64Mi}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: given, namespace: team}
data: {answer: "yes"}
`

// checkBadConfig wants a file that is wrong to be refused before there is a plan
// or anything else.
func checkBadConfig(ctx context.Context, t *testing.T, machine *lab.Machine) {
	give(ctx, t, machine, "/root/bad.yaml", config+"---\nkind: logforwarde\nversion: v2\nmetadata: {name: a}\nspec: {}\n")
	_, err := machine.Run(ctx, lab.Command{Args: []string{"/root/app/install", "--config=/root/bad.yaml"}})
	if err == nil || !strings.Contains(err.Error(), `/root/bad.yaml: line 39: unknown kind "logforwarde"`) {
		t.Errorf("a bad file: %v", err)
	}
	equal(ctx, t, machine, "ls /var/lib/gravity", "")
}

// checkBadGate wants a feature gate and a field of the kubelet that this
// Kubernetes does not have to be refused before anything of it runs.
func checkBadGate(ctx context.Context, t *testing.T, machine *lab.Machine) {
	const document = "kind: ClusterConfiguration\nversion: v1\nspec:\n"
	give(ctx, t, machine, "/root/bad.yaml", document+"  global: {podCIDR: 10.9.0.0/16}\n")
	_, err := machine.Run(ctx, lab.Command{Args: []string{"/root/app/install", "--config=/root/bad.yaml", "--pod-network-cidr=10.8.0.0/16"}})
	if err == nil || !strings.Contains(err.Error(), "--pod-network-cidr is 10.8.0.0/16, but /root/bad.yaml has podCIDR 10.9.0.0/16") {
		t.Errorf("a flag that contradicts: %v", err)
	}
	give(ctx, t, machine, "/root/bad.yaml", document+`  global:
    featureGates: {APIResponseCompresion: true}
  kubelet:
    config:
      maxPodz: 3
---
kind: RuntimeEnvironment
version: v1
spec: {data: {A: b}}
`)
	_, err = machine.Run(ctx, lab.Command{Args: []string{"/root/app/install", "--config=/root/bad.yaml", "--mount=data:/srv/other"}})
	for _, want := range []string{
		"unrecognized feature gate: APIResponseCompresion", "did you mean APIResponseCompression?", `line 8: kubelet.config of Kubernetes ` + installtest.Version + `: unknown field "maxPodz"`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a gate that is not known: %v, want %s", err, want)
		}
	}
	equal(ctx, t, machine, "systemctl is-active gravity-master || true", "inactive")
	equal(ctx, t, machine, "stat -c %a /var/lib/gravity/environment.json", "600")
	for _, phase := range []string{"/pull", "/bootstrap", "/configure"} {
		output(ctx, t, machine, "/root/app/gravity plan rollback --phase="+phase)
	}
	equal(ctx, t, machine, "ls -d /var/lib/gravity/environment.json 2>/dev/null || true", "")
	output(ctx, t, machine, "/root/app/gravity system uninstall --confirm")
}

// environments prints what a process of the machine has in its environment.
const environments = "tr '\\0' '\\n' </proc/$(pgrep -xo %s)/environ | grep -E '^(HTTP_PROXY|NO_PROXY|no_proxy|ODD)=' | sort"

// checkEnvironment wants all services to have the environment, and nobody to
// see its values who should not.
func checkEnvironment(ctx context.Context, t *testing.T, machine *lab.Machine) {
	address := output(ctx, t, machine, "kubectl get node node-1 -o jsonpath='{.status.addresses[0].address}'")
	exempt := "localhost,127.0.0.0/8,::1," + address + ",10.9.0.0/16,10.101.0.0/16,.svc,.cluster.local,leader.telekube.local,leader.gravity.local,registry.local"
	want := "HTTP_PROXY=user:confidential@192.0.2.1:8001\nNO_PROXY=" + exempt + "\nODD=a \"b\" $(HOME) $$ 50% \\ 'c'\nno_proxy=" + exempt
	for _, process := range []string{"kubelet", "containerd", "etcd", "kube-apiserver", "kube-controller", "kube-scheduler"} {
		equal(ctx, t, machine, fmt.Sprintf(environments, process), want)
	}
	equal(ctx, t, machine, "stat -c %a /var/lib/gravity/environment.json /var/lib/gravity/runtime/current/rootfs/etc/systemd/system.conf.d/environment.conf", "600\n600")
	// A restart writes it anew.
	equal(ctx, t, machine, "cd /var/lib/gravity/runtime/current/rootfs/etc/systemd/system.conf.d && mv environment.conf /root && gravity system prepare && cmp environment.conf /root/environment.conf", "")
	equal(ctx, t, machine, "ps -eww -o args | grep [c]onfidential || true", "")
	equal(ctx, t, machine, "grep -rl confidential /var/lib/gravity/operations /var/lib/gravity/log /var/log /var/lib/gravity/node.json || true", "")
	equal(ctx, t, machine, "journalctl --no-pager | grep confidential || true", "")
	equal(ctx, t, machine, "kubectl get configmaps,daemonsets -A -o yaml | grep confidential || true", "")
	equal(ctx, t, machine, "find /var/lib/gravity -xdev -type f -perm /044 -not -path '*/containerd/*' -not -path '*/registry/*' -not -path '*/rootfs/*' -exec grep -l confidential {} + || true", "")
}

// checkConfiguration wants the configuration in every component.
func checkConfiguration(ctx context.Context, t *testing.T, machine *lab.Machine) {
	equal(ctx, t, machine, "kubectl get node node-1 -o jsonpath='{.spec.podCIDR}'", "10.9.0.0/24")
	equal(ctx, t, machine, "kubectl get service kubernetes -o jsonpath='{.spec.clusterIP}'", "10.101.0.1")
	const service = "kubectl create service nodeport ports --tcp=80 -o name --node-port="
	equal(ctx, t, machine, service+"31500 && kubectl delete service ports -o name", "service/ports\nservice/ports")
	_, err := machine.Run(ctx, lab.Command{Args: []string{"sh", "-c", service + "30500"}})
	if err == nil || !strings.Contains(err.Error(), "31000-31999") {
		t.Errorf("a port out of range: %v", err)
	}
	kubelet := output(ctx, t, machine, "kubectl get --raw /api/v1/nodes/node-1/proxy/configz")
	for _, setting := range []string{
		`"nodeLeaseDurationSeconds":50`, `"featureGates":{"APIResponseCompression":false}`, `"memory.available":"64Mi"`, `"nodefs.available":"5%"`,
	} {
		if !strings.Contains(kubelet, setting) {
			t.Errorf("the kubelet does not have %s: %s", setting, kubelet)
		}
	}
	if strings.Contains(kubelet, "10255") {
		t.Errorf("a port without authentication is open: %s", kubelet)
	}
	for _, process := range []string{"kube-apiserver", "kube-controller", "kube-scheduler"} {
		equal(ctx, t, machine, "tr '\\0' '\\n' </proc/$(pgrep -xo "+process+")/cmdline | grep -x -- --feature-gates=APIResponseCompression=false | sort -u", "--feature-gates=APIResponseCompression=false")
	}
	equal(ctx, t, machine, `kubectl get --raw /metrics | grep '^kubernetes_feature_enabled{name="APIResponseCompression"' | awk '{print $NF}'`, "0")
}

// checkConfig wants the objects in the cluster, and the documents in Secrets by
// kind and name.
func checkConfig(ctx context.Context, t *testing.T, machine *lab.Machine) {
	equal(ctx, t, machine, "kubectl get configmap given -n team -o jsonpath='{.data.answer}'", "yes")
	const secrets = "kubectl get secrets -n gravity-system -l gravitational.io/resource-kind="
	equal(ctx, t, machine, secrets+"logforwarder -o jsonpath='{.items[*].data.resource\\.json}' | base64 -d",
		`{"kind":"LogForwarder","metadata":{"name":"forwarder@example"},"spec":{"address":"192.168.100.1:514"},"version":"v2"}`)
	equal(ctx, t, machine, secrets+"runtimeenvironment,gravitational.io/resource-name=runtimeenvironment -o jsonpath='{.items[*].type}'", "gravitational.io/resource")
	plan := output(ctx, t, machine, "gravity plan -o json")
	if !strings.Contains(plan, `"/gravity-resources"`) || strings.Contains(plan, "192.168.100.1") {
		t.Errorf("the plan lacks a phase, or has documents: %s", plan)
	}
	equal(ctx, t, machine, "stat -c %a /var/lib/gravity/resources/*.yaml", "600")
}

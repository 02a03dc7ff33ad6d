package trial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// PodNetwork is the cluster's pod CIDR.
const PodNetwork = "10.244.0.0/16"

// ignored are kubeadm's checks that do not hold in a machine on a shared
// kernel: cgroup v1, swap and modules are the host's.
const ignored = "SystemVerification,Swap,NumCPU,Mem,FileContent--proc-sys-net-bridge-bridge-nf-call-iptables"

// initConfig is kubeadm's configuration: node name, address, version, pod
// network. Machines may have cgroup v1, and a network namespace may not set
// the connection tracking limits.
const initConfig = `apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint:
  advertiseAddress: %[2]s
nodeRegistration:
  name: %[1]s
  criSocket: ` + containerd + `
  kubeletExtraArgs:
    - {name: node-ip, value: %[2]s}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v%[3]s
controlPlaneEndpoint: %[2]s:6443
networking:
  podSubnet: %[4]s
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: cgroupfs
failCgroupV1: false
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
conntrack:
  maxPerCore: 0
  min: 0
`

// joinConfig is that of a second machine: name, address, API server, token,
// pin of the CA.
const joinConfig = `apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
discovery:
  bootstrapToken:
    apiServerEndpoint: %[3]s
    token: %[4]s
    caCertHashes: ["%[5]s"]
nodeRegistration:
  name: %[1]s
  criSocket: ` + containerd + `
  kubeletExtraArgs:
    - {name: node-ip, value: %[2]s}
`

// masterConfig makes a joinConfig that of a second master: the key of the certificates
// that kubeadm has uploaded, and the address.
const masterConfig = `controlPlane:
  certificateKey: %s
  localAPIEndpoint:
    advertiseAddress: %s
`

// readyWithin bounds the wait for a node to get Ready.
const readyWithin = 4 * time.Minute

// Init makes a cluster of this node alone and waits until it is Ready with
// DNS, proxy and pod network running.
func (n *Node) Init(ctx context.Context, version string) error {
	config := fmt.Sprintf(initConfig, n.name, n.address, version, PodNetwork)
	if err := n.writeSecret(ctx, "/run/kubeadm.yaml", config); err != nil {
		return err
	}
	n.printf("kubeadm init")
	if _, err := n.Exec(ctx, "kubeadm", "init", "--config", "/run/kubeadm.yaml", "--ignore-preflight-errors", ignored); err != nil {
		return err
	}
	// A lone master runs applications, too.
	if _, err := n.Kubectl(ctx, "taint", "nodes", n.name, "node-role.kubernetes.io/control-plane-"); err != nil {
		return err
	}
	manifest, err := n.Exec(ctx, "cat", "/usr/share/gravity/flannel.yaml")
	if err != nil {
		return err
	}
	manifest = strings.NewReplacer("@POD_NETWORK@", PodNetwork, "@FLANNEL_BACKEND@", "vxlan").Replace(manifest)
	if err := n.Apply(ctx, manifest); err != nil {
		return err
	}
	return n.WaitReady(ctx, n.name)
}

// WaitReady waits until a node is Ready and all pods of kube-system run.
func (n *Node) WaitReady(ctx context.Context, node string) error {
	n.printf("wait for node %s and the pods of kube-system", node)
	ctx, cancel := context.WithTimeoutCause(ctx, readyWithin, fmt.Errorf("node %s is not ready after %s", node, readyWithin))
	defer cancel()
	return poll(ctx, func(ctx context.Context) error {
		state, err := n.Kubectl(ctx, "get", "node", node, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
		if err != nil {
			return err
		}
		if state != "True" {
			return fmt.Errorf("the node's Ready condition is %q", state)
		}
		return n.podsRun(ctx)
	})
}

// podsRun is nil when every pod of kube-system is ready.
func (n *Node) podsRun(ctx context.Context) error {
	output, err := n.Kubectl(ctx, "get", "pods", "-n", "kube-system", "--no-headers",
		"-o", `custom-columns=N:.metadata.name,R:.status.conditions[?(@.type=="Ready")].status`)
	if err != nil {
		return err
	}
	var waiting []string
	seen := make(map[string]bool)
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		if len(fields) != 2 || fields[1] != "True" {
			waiting = append(waiting, strings.TrimSpace(line))
		}
		for _, wanted := range []string{"coredns", "flannel", "kube-proxy"} {
			if strings.HasPrefix(line, wanted) {
				seen[wanted] = true
			}
		}
	}
	if len(waiting) > 0 {
		return errors.New("not ready: " + strings.Join(waiting, ", "))
	}
	if len(seen) < 3 {
		return errors.New("CoreDNS, flannel or kube-proxy has no pod yet")
	}
	return nil
}

// Join makes a machine a worker of the cluster of the given master and waits
// until it is Ready.
func (n *Node) Join(ctx context.Context, master *Node) error { return n.join(ctx, master, "") }

// JoinMaster makes a machine another master, and waits until it is Ready.
func (n *Node) JoinMaster(ctx context.Context, master *Node) error {
	output, err := master.Exec(ctx, "kubeadm", "init", "phase", "upload-certs", "--upload-certs")
	if err != nil {
		return err
	}
	fields := strings.Fields(output)
	if len(fields) == 0 {
		return errors.New("kubeadm prints no key of certificates")
	}
	return n.join(ctx, master, fmt.Sprintf(masterConfig, fields[len(fields)-1], n.address))
}

// join joins with the end of a joinConfig.
func (n *Node) join(ctx context.Context, master *Node, end string) error {
	output, err := master.Exec(ctx, "kubeadm", "token", "create", "--ttl", "10m", "--print-join-command")
	if err != nil {
		return err
	}
	// kubeadm join ADDRESS --token TOKEN --discovery-token-ca-cert-hash HASH
	fields := strings.Fields(output)
	if len(fields) < 7 {
		return fmt.Errorf("kubeadm prints an unknown join command")
	}
	config := fmt.Sprintf(joinConfig, n.name, n.address, fields[2], fields[4], fields[6]) + end
	if err := n.writeSecret(ctx, "/run/kubeadm.yaml", config); err != nil {
		return err
	}
	n.printf("kubeadm join")
	if _, err := n.Exec(ctx, "kubeadm", "join", "--config", "/run/kubeadm.yaml", "--ignore-preflight-errors", ignored); err != nil {
		return err
	}
	return master.WaitReady(ctx, n.name)
}

// writeSecret writes a file inside the container, readable by root alone, by
// standard input, so that the contents stand in no argument.
func (n *Node) writeSecret(ctx context.Context, path, content string) error {
	_, err := n.execWithInput(ctx, strings.NewReader(content), "sh", "-c", `umask 077; cat > "$1"`, "sh", path)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// Diagnose writes what helps to see why a node does not get ready.
func (n *Node) Diagnose(ctx context.Context, w io.Writer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	for _, command := range []string{
		"kubectl get nodes,pods -A -o wide",
		"kubectl get events -A --sort-by=.lastTimestamp | tail -30",
		"systemctl --no-pager --failed",
		"journalctl --no-pager -u kubelet -u containerd -n 60 -o cat",
	} {
		output, err := n.Exec(ctx, "sh", "-c", command+" 2>&1")
		_, _ = fmt.Fprintf(w, "--- %s: %s (%v)\n%s\n", n.name, command, err, output)
	}
}

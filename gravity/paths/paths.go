// Package paths says where everything of a node lies. No other package knows
// a path below the state folder, or one that Gravity makes outside of it.
package paths

import (
	"os"
	"path/filepath"
)

// DefaultRoot is the state folder, if --state-dir does not name another.
const DefaultRoot = "/var/lib/gravity"

// Inside is where the master container sees the state folder, wherever it lies
// on the host.
const Inside = DefaultRoot

// Paths are the places below a state folder.
type Paths struct {
	// Root is the state folder, an absolute path.
	Root string
}

// New returns the paths below a state folder; empty means DefaultRoot.
func New(root string) (Paths, error) {
	if root == "" {
		root = DefaultRoot
	}
	root, err := filepath.Abs(root)
	if err != nil {
		return Paths{}, err
	}
	return Paths{Root: resolve(root)}, nil
}

// resolve follows links, as far as a path is there: mounts are listed, and
// programs run, by the names that are no links.
func resolve(path string) string {
	if found, err := filepath.EvalSymlinks(path); err == nil {
		return found
	}
	parent := filepath.Dir(path)
	if parent == path {
		return path
	}
	return filepath.Join(resolve(parent), filepath.Base(path))
}

// Installed returns the state folder that this program was installed to, if it
// runs from there, else DefaultRoot: so that commands on a node need no
// --state-dir.
func Installed() string {
	program, err := os.Executable()
	if err != nil {
		return DefaultRoot
	}
	if program, err = filepath.EvalSymlinks(program); err != nil {
		return DefaultRoot
	}
	p := Paths{Root: filepath.Dir(filepath.Dir(program))}
	if program != p.Program() {
		return DefaultRoot
	}
	if _, err := os.Stat(p.Node()); err != nil {
		return DefaultRoot
	}
	return p.Root
}

func (p Paths) join(elements ...string) string {
	return filepath.Join(append([]string{p.Root}, elements...)...)
}

// Node is the file that says what this node is.
func (p Paths) Node() string { return p.join("node.json") }

// Environment is the file with the environment of the master container's
// services. It may have secrets.
func (p Paths) Environment() string { return p.join("environment.json") }

// Program is the gravity of this node.
func (p Paths) Program() string { return p.join("bin", "gravity") }

// Store is the root of the package store and registry.
func (p Paths) Store() string { return p.join("registry") }

// Certificates has gravity's own CA and what it signed.
func (p Paths) Certificates() string { return p.join("certificates") }

// Certificate is a file of those.
func (p Paths) Certificate(name string) string { return p.join("certificates", name) }

// Runtime is the folder of one runtime: the bundle that runc runs.
func (p Paths) Runtime(version string) string { return p.join("runtime", version) }

// Rootfs is the root file system of a runtime.
func (p Paths) Rootfs(version string) string { return p.join("runtime", version, "rootfs") }

// Current is a symbolic link to the Runtime that the node runs.
func (p Paths) Current() string { return p.join("runtime", "current") }

// Tool is a program of the current runtime, such as runc or kubectl.
func (p Paths) Tool(name string) string {
	return p.join("runtime", "current", "rootfs", "usr", "local", "bin", name)
}

// PodNetworkConfig is what flannel tells containerd about the network of this
// node's pods (a CNI configuration list), in the current runtime.
func (p Paths) PodNetworkConfig() string {
	return p.join("runtime", "current", "rootfs", "etc", "cni", "net.d", "10-flannel.conflist")
}

// Application is the folder of an application's files, by the application's
// name and version: what hooks see as /var/lib/gravity/resources.
func (p Paths) Application(name, version string) string {
	return p.join("application", name, version)
}

// Hosts is the master container's /etc/hosts.
func (p Paths) Hosts() string { return p.join("network", "hosts") }

// Resolv is the master container's /etc/resolv.conf: the host's resolvers
// without those on loopback.
func (p Paths) Resolv() string { return p.join("network", "resolv.conf") }

// Kubernetes is /etc/kubernetes of the master container.
func (p Paths) Kubernetes() string { return p.join("kubernetes") }

// KubernetesFile is a file in /etc/kubernetes of the master container, as the
// host sees it.
func (p Paths) KubernetesFile(elements ...string) string {
	return p.join(append([]string{"kubernetes"}, elements...)...)
}

// Kubelet is /var/lib/kubelet of the master container.
func (p Paths) Kubelet() string { return p.join("kubelet") }

// Etcd is /var/lib/etcd of the master container.
func (p Paths) Etcd() string { return p.join("etcd") }

// Log is /var/log of the master container.
func (p Paths) Log() string { return p.join("log") }

// HookLog is the log of a hook's run.
func (p Paths) HookLog(name string) string { return p.join("log", "hooks", name+".log") }

// Bound maps folders of the master container that outlive its root file system
// to their places on the host.
func (p Paths) Bound() map[string]string {
	return map[string]string{
		"/etc/kubernetes":  p.Kubernetes(),
		"/var/lib/kubelet": p.Kubelet(),
		"/var/lib/etcd":    p.Etcd(),
		"/var/lib/cni":     p.join("cni"),
		"/var/log":         p.Log(),
	}
}

// Resources is the file with what a user gave an operation to create.
func (p Paths) Resources(operationID string) string { return p.join("resources", operationID+".yaml") }

// Token is the file with the token by which nodes join.
func (p Paths) Token() string { return p.join("agent", "token") }

// Containerd is containerd's state.
func (p Paths) Containerd() string { return p.join("containerd") }

// Masters lists the addresses that the balancer spreads connections over.
func (p Paths) Masters() string { return p.join("agent", "masters.json") }

// Deployed is the gravity that the agent runs as instead of Program, if it is
// there.
func (p Paths) Deployed() string { return p.join("agent", "deployed", "gravity") }

// DeployedStarts has a byte for each start of Deployed, until it is relied upon.
func (p Paths) DeployedStarts() string { return p.join("agent", "deployed", "starts") }

// MembershipKey is the key of the gossip between agents.
func (p Paths) MembershipKey() string { return p.join("agent", "membership.key") }

// RegistryCertificate is the file with the serial number of the certificate that
// the registry serves with.
func (p Paths) RegistryCertificate() string { return p.join("agent", "registry-certificate") }

// Removals is the file with the nodes that were removed from the cluster.
func (p Paths) Removals() string { return p.join("agent", "removals.json") }

// Dismissal is the file that is there once the node knows that it was removed.
func (p Paths) Dismissal() string { return p.join("agent", "dismissal.json") }

// Operations is where the node keeps its operations.
func (p Paths) Operations() string { return p.join("operations") }

// StoreState says how the package store is that the agent keeps whole.
func (p Paths) StoreState() string { return p.join("agent", "store.json") }

// History is the file with the history of the node's health.
func (p Paths) History() string { return p.join("agent", "history.jsonl") }

// Roster is the file with the nodes that the cluster had last, as this master saw it.
func (p Paths) Roster() string { return p.join("agent", "roster.json") }

// KernelSettings is the file with what the kernel had set before Gravity.
func (p Paths) KernelSettings() string { return p.join("agent", "kernel.json") }

// Used tells whether Gravity uses the state folder, whatever else is in it:
// operations come first and go last.
func (p Paths) Used() bool {
	for _, path := range []string{p.Operations(), p.Node()} {
		if _, err := os.Lstat(path); err == nil {
			return true
		}
	}
	return false
}

// RegistryHosts lists the original hosts of images, on nodes without a store.
func (p Paths) RegistryHosts() string { return p.join("agent", "hosts.json") }

// EtcdBackup is the copy of etcd's data that is made before a node joins.
func (p Paths) EtcdBackup(operationID string) string { return p.join("backup", operationID+".db") }

// Own lists everything that Gravity makes in the state folder.
func (p Paths) Own() []string {
	var own []string
	for _, name := range []string{
		"agent", "application", "backup", "certificates", "cni", "containerd", "environment.json", "etcd", "kubelet", "kubernetes",
		"log", "network",
		"node.json", "registry", "resources", "runtime",
		"bin",        // what removes all this may run from it, and after a loss of power again
		"operations", // the last: as long as it is there, something may be left
	} {
		own = append(own, p.join(name))
	}
	return own
}

// Guests lists what Terraform's provider makes in the state folder, also before
// Gravity does. It goes with Gravity.
func (p Paths) Guests() []string { return []string{p.join("uploads"), p.join("detached")} }

// What lies outside the state folder.
const (
	// UnitFolder is where systemd's units are.
	UnitFolder = "/etc/systemd/system"
	// Commands is where people find gravity, kubectl and helm.
	Commands = "/usr/local/bin"
	// RuncRoot is where runc keeps what it knows of the running container.
	RuncRoot = "/run/gravity"
	// UserKubeconfig is root's configuration for kubectl.
	UserKubeconfig = "/root/.kube/config"
	// Completions is where bash finds the completions of commands, if it does.
	Completions = "/etc/bash_completion.d"
)

package preflight

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prometheus/procfs"
)

// process is a process of the machine.
type process struct {
	pid  int
	name string // at most 15 bytes
}

// processes lists the processes by their numbers. One that ends meanwhile is
// left out.
func (m *Machine) processes() ([]process, error) {
	proc, err := m.proc()
	if err != nil {
		return nil, err
	}
	all, err := proc.AllProcs()
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	slices.SortFunc(all, func(a, b procfs.Proc) int { return a.PID - b.PID })
	var found []process
	for _, each := range all {
		if name, err := each.Comm(); err == nil {
			found = append(found, process{each.PID, name})
		}
	}
	return found, nil
}

// conflicting are the programs that want what the cluster wants: its ports,
// its cgroups, its rules of the firewall. The kernel cuts names after 15 bytes.
var conflicting = []string{
	"dockerd", "containerd", "crio", "kubelet", "etcd", "flanneld", "calico-node", "cilium-agent",
	"kube-apiserver", "kube-controller", "kube-scheduler", "kube-proxy",
	"k3s", "k3s-server", "k3s-agent", "k0s", "rke2", "kubelite",
}

func (o *Options) checkProcesses(context.Context) (finding, error) {
	processes, err := o.Machine.processes()
	if err != nil {
		return finding{}, err
	}
	var found, names []string
	for _, process := range processes {
		if slices.Contains(conflicting, process.name) {
			found = append(found, fmt.Sprintf("%s (pid %d)", process.name, process.pid))
			if !slices.Contains(names, process.name) {
				names = append(names, process.name)
			}
		}
	}
	const wanted = "no other Kubernetes, etcd or container runtime"
	if len(found) == 0 {
		return passed("none among %s", count(len(processes), "process", "processes")).want(wanted), nil
	}
	return passed("running: %s", strings.Join(found, ", ")).want(wanted).
		unless(false, "systemctl disable --now %s", strings.Join(names, " ")), nil
}

// leftovers are what another Kubernetes leaves behind. /etc/cni/net.d may be
// there empty.
var leftovers = []string{
	"/etc/kubernetes/*.conf", "/etc/kubernetes/manifests/*", "/var/lib/kubelet/config.yaml",
	"/var/lib/etcd/member", "/etc/cni/net.d/*", "/var/lib/rancher/*", "/var/lib/k0s",
}

func (o *Options) checkLeftovers(context.Context) (finding, error) {
	var found []string
	for _, pattern := range leftovers {
		matches, err := filepath.Glob(o.Machine.path(pattern))
		if err != nil {
			return finding{}, err
		}
		for _, match := range matches {
			inside, err := filepath.Rel(o.Machine.Root, match)
			if err != nil {
				return finding{}, err
			}
			found = append(found, "/"+inside)
		}
	}
	const wanted = "no files of another Kubernetes"
	if len(found) == 0 {
		return passed("none").want(wanted), nil
	}
	return passed("left: %s", strings.Join(found, ", ")).want(wanted).
		unless(false, "kubeadm reset, or uninstall what made them; then remove what is left"), nil
}

// leftInterfaces begin the names of interfaces that networks of pods have.
var leftInterfaces = []string{"cni", "flannel", "cali", "cilium_", "weave", "kube-", "nodelocaldns", "vxlan.calico"}

func (o *Options) checkInterfaces(context.Context) (finding, error) {
	links, err := o.Machine.Links()
	if err != nil {
		return finding{}, err
	}
	var found []string
	for _, link := range links {
		if slices.ContainsFunc(leftInterfaces, func(prefix string) bool { return strings.HasPrefix(link.Name, prefix) }) {
			found = append(found, link.Name)
		}
	}
	const wanted = "no interfaces of another network of pods"
	if len(found) == 0 {
		return passed("none among %s", count(len(links), "interface", "interfaces")).want(wanted), nil
	}
	return passed("left: %s", strings.Join(found, ", ")).want(wanted).
		unless(false, "ip link delete %s", found[0]), nil
}

package health

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// The names of checkers.
const (
	APIServer         = "kube-apiserver"
	Scheduler         = "kube-scheduler"
	ControllerManager = "kube-controller-manager"
	Kubelet           = "kubelet"
	Containerd        = "containerd"
	Registry          = "registry"
	PackageStore      = "package-store"
	Etcd              = "etcd-healthz"
	Systemd           = "systemd"
	Forwarding        = "ip-forward"
	BridgeFilter      = "br-netfilter"
	Inotify           = "inotify"
	DiskSpace         = "disk-space"
	NodeStatus        = "node-status"
	SystemPods        = "system-pods"
	DNS               = "dns"
	Certificates      = "certificates"
	Identity          = "identity"
	HostName          = "host-name"
	Clock             = "clock"
	// TimeDrift is no checker of a node: a master that asks it finds out.
	TimeDrift = "time-drift"
	// Agent is no checker: it stands for all of a node whose agent makes no rounds.
	Agent = "agent"
)

// Checkers lists what is checked on a node: Kubernetes first, since whoever
// reads looks for that first.
func Checkers(p paths.Paths, n *node.Node) []Checker {
	inside := inside{container.New(p)}
	cluster := cluster{paths: p, node: n}
	// What explains all others comes first.
	checkers := []Checker{{Identity, identity(p, n)}, {HostName, hostName(n)}}
	if n.Master {
		checkers = append(checkers,
			Checker{APIServer, apiServer(p, n)},
			Checker{Scheduler, component("https://127.0.0.1:10259/readyz")},
			Checker{ControllerManager, component("https://127.0.0.1:10257/healthz")},
			Checker{Etcd, etcd{"http://127.0.0.1:2381"}.check},
			Checker{Registry, registry(p)},
			Checker{PackageStore, packageStore(p.StoreState())},
		)
	}
	checkers = append(checkers,
		Checker{Kubelet, component("http://127.0.0.1:10248/healthz")},
		Checker{Containerd, inside.containerd},
		Checker{Systemd, inside.systemd},
		Checker{NodeStatus, cluster.nodeStatus},
		Checker{SystemPods, cluster.systemPods},
		Checker{DNS, dns{kubeletConfig: filepath.Join(p.Kubelet(), "config.yaml")}.check},
		Checker{Forwarding, setting("/proc/sys/net/ipv4/ip_forward")},
	)
	// Where the kernel does not know the setting, packets of bridges take another
	// way.
	if _, err := os.Stat(bridgeFilter); !errors.Is(err, os.ErrNotExist) {
		checkers = append(checkers, Checker{BridgeFilter, setting(bridgeFilter)})
	}
	return append(checkers,
		Checker{Inotify, inotify{folder: p.Root, limits: "/proc/sys/fs/inotify"}.check},
		Checker{DiskSpace, func(context.Context) (string, error) { return diskSpace(p.Root) }},
		Checker{Clock, sinceStart.check},
		Checker{Certificates, certificates{files: certificateFiles(p), node: n}.check},
	)
}

const bridgeFilter = "/proc/sys/net/bridge/bridge-nf-call-iptables"

// Package flannel is flanneld for Gravity's clusters: leases are the nodes'
// pod CIDRs in the Kubernetes API, the back ends are vxlan, host-gw and
// wireguard, and the node's CNI configuration is written once the network
// carries traffic, so that a node gets Ready no earlier than its pods can talk.
package flannel

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/flannel-io/flannel/pkg/backend"
	_ "github.com/flannel-io/flannel/pkg/backend/hostgw"
	_ "github.com/flannel-io/flannel/pkg/backend/vxlan"
	_ "github.com/flannel-io/flannel/pkg/backend/wireguard"
	"github.com/flannel-io/flannel/pkg/ip"
	"github.com/flannel-io/flannel/pkg/ipmatch"
	"github.com/flannel-io/flannel/pkg/subnet"
	"github.com/flannel-io/flannel/pkg/subnet/kube"
	"github.com/flannel-io/flannel/pkg/trafficmngr"
	"github.com/flannel-io/flannel/pkg/trafficmngr/iptables"
	"github.com/flannel-io/flannel/pkg/trafficmngr/nftables"
	"k8s.io/klog/v2"
)

// options are the command line. The node's name is in the environment
// variable NODE_NAME, where package kube reads it.
type options struct {
	kubeconfig    string
	netConfig     string
	publicIP      string
	iface         string
	subnetFile    string
	cniConfig     string
	healthAddress string
	ipMasq        bool
	hairpin       bool
	resyncSeconds int
}

const annotationPrefix = "flannel.alpha.coreos.com"

func parseOptions() options {
	var o options
	// A set of its own: the programs that share the executable register flags
	// globally.
	flags := flag.NewFlagSet("flanneld", flag.ExitOnError)
	klog.InitFlags(flags)
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig file; empty means the pod's service account")
	flags.StringVar(&o.netConfig, "net-config", "/etc/kube-flannel/net-conf.json", "network configuration: Network, Backend, EnableNFTables")
	flags.StringVar(&o.publicIP, "public-ip", "", "address under which other nodes reach this one; empty means that of the interface")
	flags.StringVar(&o.iface, "iface", "", "interface (name or address) for traffic between nodes; empty means the one with the default route or the public address")
	flags.StringVar(&o.subnetFile, "subnet-file", "/run/flannel/subnet.env", "file that tells the subnet and MTU of this node")
	flags.StringVar(&o.cniConfig, "cni-config", "/etc/cni/net.d/10-flannel.conflist", "CNI configuration to write")
	flags.StringVar(&o.healthAddress, "health-address", "127.0.0.1:8081", "address of /healthz and /readyz")
	flags.BoolVar(&o.ipMasq, "ip-masq", true, "masquerade traffic that leaves the pod network")
	flags.BoolVar(&o.hairpin, "hairpin", true, "let a pod reach itself through a service")
	flags.IntVar(&o.resyncSeconds, "resync-seconds", 5, "how often packet filter rules are checked")
	_ = flags.Parse(os.Args[1:]) // ends the process on an error
	return o
}

// Main is the program: it ends with exit code 1 and a logged error, or with 0
// when it was told to stop.
func Main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, parseOptions()); err != nil && !errors.Is(err, context.Canceled) {
		klog.ErrorS(err, "flanneld ends")
		klog.FlushAndExit(klog.ExitFlushTimeout, 1)
	}
}

// run sets the network up and serves until the context ends. All goroutines
// of flannel's packages are in wg and end with the context.
func run(parent context.Context, o options) error {
	ctx, cancel := context.WithCancel(parent)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()

	health := newHealth(o.healthAddress)
	if err := health.serve(ctx, &wg); err != nil {
		return err
	}
	manager, err := kube.NewSubnetManager(ctx, "", o.kubeconfig, annotationPrefix, o.netConfig, true)
	if err != nil {
		return fmt.Errorf("watch the nodes: %w", err)
	}
	config, err := manager.GetNetworkConfig(ctx)
	if err != nil {
		return fmt.Errorf("read %s: %w", o.netConfig, err)
	}
	network, err := register(ctx, &wg, o, manager, config)
	if err != nil {
		return err
	}
	if err := filterTraffic(ctx, o, config, network); err != nil {
		return err
	}
	lease := network.Lease()
	if err := manager.HandleSubnetFile(o.subnetFile, config, o.ipMasq, lease.Subnet, lease.IPv6Subnet, network.MTU()); err != nil {
		return fmt.Errorf("write %s: %w", o.subnetFile, err)
	}
	wg.Go(func() { network.Run(ctx) })
	if err := writeCNIConfig(o.cniConfig, cniNetwork{subnets: leaseSubnets(config, lease), mtu: network.MTU(), hairpin: o.hairpin}); err != nil {
		return err
	}
	health.ready.Store(true)
	klog.InfoS("the pod network is ready", "subnet", lease.Subnet, "backend", config.BackendType, "mtu", network.MTU())
	if err := manager.CompleteLease(ctx, lease, &wg); err != nil {
		return fmt.Errorf("complete the lease: %w", err)
	}
	<-ctx.Done()
	return nil
}

// register acquires this node's lease and creates the back end's device.
func register(ctx context.Context, wg *sync.WaitGroup, o options, manager subnet.Manager, config *subnet.Config) (backend.Network, error) {
	stack, err := ipmatch.GetIPFamily(config.EnableIPv4, config.EnableIPv6)
	if err != nil {
		return nil, fmt.Errorf("network configuration: %w", err)
	}
	publicIP := o.publicIP
	if stored, _ := manager.GetStoredPublicIP(ctx); stored != "" {
		publicIP = stored
	}
	wanted := o.iface
	if wanted == "" {
		wanted = publicIP
	}
	external, err := ipmatch.LookupExtIface(wanted, "", "", stack, ipmatch.PublicIPOpts{PublicIP: publicIP})
	if err != nil {
		return nil, fmt.Errorf("find the interface %q for traffic between nodes: %w", wanted, err)
	}
	kind, err := backend.NewManager(ctx, manager, external).GetBackend(config.BackendType)
	if err != nil {
		return nil, fmt.Errorf("back end %q: %w", config.BackendType, err)
	}
	network, err := kind.RegisterNetwork(ctx, wg, config)
	if err != nil {
		return nil, fmt.Errorf("set up back end %q on %s: %w", config.BackendType, external.Iface.Name, err)
	}
	return network, nil
}

// filterTraffic installs the forward and masquerade rules and removes what the
// other packet filter may have from an earlier configuration.
func filterTraffic(ctx context.Context, o options, config *subnet.Config, network backend.Network) error {
	var used, unused trafficmngr.TrafficManager = &nftables.NFTablesManager{}, &iptables.IPTablesManager{}
	if !config.EnableNFTables {
		used, unused = unused, used
	}
	if err := unused.CleanUp(ctx); err != nil {
		// A host without the other filter has nothing of it to remove.
		klog.InfoS("nothing removed of the unused packet filter", "reason", err)
	}
	if err := used.Init(ctx); err != nil {
		return fmt.Errorf("start the packet filter: %w", err)
	}
	if o.ipMasq {
		var none4 ip.IP4Net
		var none6 ip.IP6Net
		if err := used.SetupAndEnsureMasqRules(ctx, config.Network, none4, none4, config.IPv6Network, none6, none6,
			network.Lease(), o.resyncSeconds, false); err != nil {
			return fmt.Errorf("install the masquerade rules: %w", err)
		}
	}
	used.SetupAndEnsureForwardRules(ctx, config.Network, config.IPv6Network, o.resyncSeconds)
	return nil
}

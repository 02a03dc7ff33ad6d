package preflight

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
)

// module is a feature of the kernel.
type module struct {
	// name is the module's, with underscores.
	name string
	// option is the setting that it is built by, without CONFIG_.
	option string
	// shows is a file that only a kernel with the feature has, or empty.
	shows string
}

// modules are what the cluster needs of every kernel. The original's list
// (S117) had ebtables and iptables; of these, kube-proxy uses nftables directly,
// and what still speaks iptables reaches nftables by nft_compat.
var modules = []module{
	{name: "overlay", option: "OVERLAY_FS"},
	{name: "bridge", option: "BRIDGE", shows: "/sys/module/bridge"},
	{name: "br_netfilter", option: "BRIDGE_NETFILTER", shows: "/proc/sys/net/bridge/bridge-nf-call-iptables"},
	{name: "veth", option: "VETH"},
	{name: "nf_conntrack", option: "NF_CONNTRACK", shows: "/proc/sys/net/netfilter/nf_conntrack_max"},
	{name: "nf_nat", option: "NF_NAT"},
	{name: "nf_tables", option: "NF_TABLES"},
	{name: "nft_ct", option: "NFT_CT"},
	{name: "nft_nat", option: "NFT_NAT"},
	{name: "nft_masq", option: "NFT_MASQ"},
	{name: "nft_numgen", option: "NFT_NUMGEN"},
	{name: "nft_fib_ipv4", option: "NFT_FIB_IPV4"},
	{name: "nft_compat", option: "NFT_COMPAT"},
	{name: "xt_MASQUERADE", option: "NETFILTER_XT_TARGET_MASQUERADE"},
}

var (
	vxlanModule     = module{name: "vxlan", option: "VXLAN"}
	wireGuardModule = module{name: "wireguard", option: "WIREGUARD"}
	ebtablesModule  = module{name: "ebtable_filter", option: "BRIDGE_EBT_T_FILTER"}
)

func (o *Options) checkModules(ctx context.Context) (finding, error) {
	wanted := slices.Clone(modules)
	// An unknown network is VXLAN.
	if o.Network != manifest.NetworkWireGuard && o.Network != manifest.NetworkHostGW {
		wanted = append(wanted, vxlanModule)
	}
	return o.checkModuleList(ctx, wanted)
}

func (o *Options) checkWireGuard(ctx context.Context) (finding, error) {
	if o.Network != manifest.NetworkWireGuard {
		return passed("the network is %s", o.Network), nil
	}
	return o.checkModuleList(ctx, []module{wireGuardModule})
}

func (o *Options) checkEbtables(ctx context.Context) (finding, error) {
	if o.HairpinMode != manifest.HairpinPromiscuousBridge {
		return passed("the hairpin mode needs none"), nil
	}
	return o.checkModuleList(ctx, []module{ebtablesModule})
}

func (o *Options) checkModuleList(ctx context.Context, wanted []module) (finding, error) {
	known, err := o.Machine.kernelFeatures()
	if err != nil {
		return finding{}, err
	}
	var missing []string
	for _, each := range wanted {
		if known.has(o.Machine, each) {
			continue
		}
		loadable, err := o.Machine.loadable(ctx, each.name)
		if err != nil {
			return finding{}, err
		}
		if !loadable {
			missing = append(missing, each.name)
		}
	}
	if len(missing) > 0 {
		list := strings.Join(missing, " ")
		return passed("not available: %s", list).want("loaded, built in or loadable").
			unless(false, "modprobe --all %s; if there are none, install the kernel's package of modules", list), nil
	}
	return passed("%s available", count(len(wanted), "module", "modules")).want("loaded, built in or loadable"), nil
}

// features are what is known of the running kernel.
type features struct{ modules, options, filesystems map[string]bool }

func (f features) has(m *Machine, wanted module) bool {
	return f.modules[wanted.name] || f.options[wanted.option] || f.filesystems[wanted.name] ||
		wanted.shows != "" && m.exists(wanted.shows) || m.exists("/sys/module/"+wanted.name)
}

// kernelFeatures reads what is loaded and what is built in, as far as the
// machine tells: containers have no /lib/modules, and some kernels have no
// modules at all.
func (m *Machine) kernelFeatures() (features, error) {
	loaded, err := m.lookFor("/proc/modules")
	if err != nil {
		return features{}, err
	}
	builtin, err := m.lookFor(filepath.Join("/lib/modules", m.Kernel, "modules.builtin"))
	if err != nil {
		return features{}, err
	}
	filesystems, err := m.lookFor("/proc/filesystems")
	if err != nil {
		return features{}, err
	}
	found := features{modules: map[string]bool{}, filesystems: map[string]bool{}}
	for line := range strings.Lines(loaded) {
		if name, _, ok := strings.Cut(line, " "); ok {
			found.modules[name] = true
		}
	}
	for line := range strings.Lines(builtin) {
		name, _, _ := strings.Cut(filepath.Base(strings.TrimSpace(line)), ".ko")
		found.modules[strings.ReplaceAll(name, "-", "_")] = true
	}
	for line := range strings.Lines(filesystems) {
		if fields := strings.Fields(line); len(fields) > 0 {
			found.filesystems[fields[len(fields)-1]] = true
		}
	}
	found.options, err = m.kernelOptions()
	return found, err
}

// kernelOptions are the features that are built into the kernel, by its
// configuration; empty if that is not there.
func (m *Machine) kernelOptions() (map[string]bool, error) {
	for _, name := range []string{"/proc/config.gz", "/boot/config-" + m.Kernel} {
		file, err := os.Open(m.path(name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		defer file.Close()
		var reader io.Reader = file
		if strings.HasSuffix(name, ".gz") {
			if reader, err = gzip.NewReader(file); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		options, err := parseKernelOptions(io.LimitReader(reader, maxFile))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return options, nil
	}
	return map[string]bool{}, nil
}

// parseKernelOptions reads lines such as CONFIG_VXLAN=y. What is a module (m)
// may not be installed, so it does not count.
func parseKernelOptions(reader io.Reader) (map[string]bool, error) {
	options := map[string]bool{}
	scanner := bufio.NewScanner(reader)
	for scanner.Scan() {
		if name, found := strings.CutSuffix(scanner.Text(), "=y"); found {
			options[strings.TrimPrefix(name, "CONFIG_")] = true
		}
	}
	return options, scanner.Err()
}

// loadable asks modprobe, which also knows what was blocked: an installation of
// /bin/false in place of the module.
func (m *Machine) loadable(ctx context.Context, name string) (bool, error) {
	output, err := m.Output(ctx, "modprobe", "--dry-run", "--verbose", name)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit), errors.Is(err, exec.ErrNotFound):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("modprobe --dry-run %s: %w", name, err)
	}
	for line := range strings.Lines(output) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "install" &&
			slices.Contains([]string{"false", "true"}, filepath.Base(fields[1])) {
			return false, nil
		}
	}
	return true, nil
}

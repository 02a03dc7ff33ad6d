package install

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kernel"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// RemoveContainer stops the master container and the agent and takes away what
// they left on the host: units, mounts, cgroups, interfaces, packet filters and
// settings of the kernel.
func RemoveContainer(ctx context.Context, p paths.Paths) error {
	return removeContainer(ctx, p, func(string, ...any) {})
}

func removeContainer(ctx context.Context, p paths.Paths, tell func(string, ...any)) error {
	for _, unit := range []string{container.Unit, AgentUnit} {
		there := exists(filepath.Join(paths.UnitFolder, unit))
		if err := container.RemoveUnit(ctx, unit); err != nil {
			return err
		}
		if there {
			tell("stopped and removed %s", unit)
		}
	}
	if err := unmountBelow(p.Root); err != nil {
		return err
	}
	if names := RemoveNetwork(p); len(names) > 0 {
		tell("removed the network interfaces %s", strings.Join(names, ", "))
	}
	cleanFilters(ctx, p)
	if err := errors.Join(container.RemoveCgroups(ctx, container.Name, container.PodCgroup), os.RemoveAll(paths.RuncRoot)); err != nil {
		return err
	}
	changed, err := kernel.Local().Restore(p.KernelSettings())
	if len(changed) > 0 {
		tell("put settings of the kernel back: %s", strings.Join(changed, ", "))
	}
	return err
}

// Remove puts the machine back into the state before Gravity: everything that
// RemoveContainer takes away, commands, and what is in the state folder. It may
// be called again after it was interrupted. What it does, it tells by a line
// each.
func Remove(ctx context.Context, p paths.Paths, out io.Writer) error {
	if !p.Used() {
		return cli.WithHint(fmt.Errorf("nothing of Gravity is in %s", p.Root), "name the state folder with --state-dir")
	}
	tell := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }
	if removeKubeconfig(p) {
		tell("removed %s", paths.UserKubeconfig)
	}
	if err := removeContainer(ctx, p, tell); err != nil {
		return err
	}
	for _, name := range []string{"kubectl", "helm", "gravity"} {
		there := exists(filepath.Join(paths.Commands, name))
		if err := removeLink(p, name); err != nil {
			return err
		}
		if there && !exists(filepath.Join(paths.Commands, name)) {
			tell("removed %s", filepath.Join(paths.Commands, name))
		}
	}
	if err := removeCompletion(paths.Completions); err != nil {
		return err
	}
	return removeState(ctx, p, tell)
}

// removeState removes what is Gravity's from the state folder, and the folder if
// it has nothing else: it may be a mount, and have more.
func removeState(ctx context.Context, p paths.Paths, tell func(string, ...any)) error {
	for _, path := range slices.Concat(p.Guests(), p.Own()) {
		if path == filepath.Dir(p.Program()) {
			if err := endRemoval(ctx); err != nil {
				return err
			}
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	err := os.Remove(p.Root)
	if err != nil && !errors.Is(err, syscall.EBUSY) && !errors.Is(err, syscall.ENOTEMPTY) && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	left, err := os.ReadDir(p.Root)
	switch {
	case err != nil:
		tell("removed %s", p.Root)
	case len(left) == 0:
		tell("emptied %s, which is a mount", p.Root)
	default:
		tell("removed everything of Gravity in %s; the rest is not Gravity's", p.Root)
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// unmountBelow unmounts everything in some folders, the innermost first.
func unmountBelow(roots ...string) error {
	content, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	var targets []string
	lines := bufio.NewScanner(bytes.NewReader(content))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 5 {
			continue
		}
		target := unescape(fields[4])
		for _, root := range roots {
			if strings.HasPrefix(target, root+"/") {
				targets = append(targets, target)
			}
		}
	}
	for _, target := range slices.Backward(targets) {
		if err := unix.Unmount(target, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("unmount %s: %w", target, err)
		}
	}
	return lines.Err()
}

var escapes = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

func unescape(path string) string { return escapes.Replace(path) }

// RemoveNetwork removes the interfaces of pods and of the pod network, the routes
// to the pods of other nodes, and what containerd was told of that network: a pod
// that started before flannel says it anew would get an address of the old one. It
// returns the names of the interfaces of the pod network.
func RemoveNetwork(p paths.Paths) (names []string) {
	removeRoutes(p)
	_ = os.Remove(p.PodNetworkConfig()) // where it cannot be, the runtime is gone
	links, err := netlink.LinkList()
	if err != nil {
		return nil
	}
	bridge := 0
	for _, link := range links {
		if link.Attrs().Name == "cni0" {
			bridge = link.Attrs().Index
		}
	}
	for _, link := range links {
		name := link.Attrs().Name
		attached := bridge != 0 && link.Attrs().MasterIndex == bridge
		if attached || name == "cni0" || name == "kube-ipvs0" || strings.HasPrefix(name, "flannel.") || strings.HasPrefix(name, "flannel-") {
			_ = netlink.LinkDel(link) // its peer may have taken it along
			if !attached {
				names = append(names, name)
			}
		}
	}
	return names
}

// removeRoutes removes the routes that flannel makes where no interface of its own
// leads to other nodes (host-gw).
func removeRoutes(p paths.Paths) {
	n, err := node.Read(p)
	if err != nil || !n.PodNetwork.IsValid() {
		return
	}
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return
	}
	for i := range routes {
		if route := &routes[i]; route.Gw != nil && leadsInto(n.PodNetwork, route.Dst) {
			_ = netlink.RouteDel(route) // it may have gone with its interface
		}
	}
}

// leadsInto tells whether a route is to a part of a network.
func leadsInto(network netip.Prefix, destination *net.IPNet) bool {
	if destination == nil {
		return false
	}
	address, ok := netip.AddrFromSlice(destination.IP)
	bits, _ := destination.Mask.Size()
	return ok && network.Contains(address.Unmap()) && bits >= network.Bits()
}

// cleanFilters removes the packet filters of kube-proxy, flannel, the kubelet
// and CNI, with the programs of the runtime, since the host may have none.
func cleanFilters(ctx context.Context, p paths.Paths) {
	rootfs, err := filepath.EvalSymlinks(filepath.Dir(filepath.Dir(filepath.Dir(filepath.Dir(p.Tool("runc"))))))
	if err != nil {
		return // nothing ran here
	}
	run := func(stdin string, args ...string) string {
		command := exec.CommandContext(ctx, args[0], args[1:]...)
		command.Path = "/usr/sbin/" + args[0]
		command.Err = nil
		command.Dir = "/"
		command.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
		command.SysProcAttr = &syscall.SysProcAttr{Chroot: rootfs}
		command.Stdin = strings.NewReader(stdin)
		output, _ := command.Output() // a table that is not there is what is wanted
		return string(output)
	}
	for _, family := range []string{"", "6"} {
		for _, variant := range []string{"-nft", "-legacy"} {
			name := "ip" + family + "tables" + variant
			saved := run("", name+"-save")
			if kept := withoutOurs(saved); kept != saved {
				run(kept, name+"-restore")
			}
		}
	}
	for line := range strings.Lines(run("", "nft", "list", "tables")) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			continue
		}
		family, name := fields[1], fields[2]
		ours := name == "kube-proxy" || strings.HasPrefix(name, "flannel-") || strings.HasPrefix(name, "cni_")
		left := (family == "ip" || family == "ip6") && slices.Contains([]string{"filter", "nat", "mangle", "raw", "security"}, name)
		if ours || left && emptyTable(run("", "nft", "list", "table", family, name)) {
			run("", "nft", "delete", "table", family, name)
		}
	}
}

// ourChain matches lines about chains of Kubernetes and CNI, not those that only
// mention them in a comment.
var ourChain = regexp.MustCompile(`(^:|^-[AN] | -[jg] )(KUBE-|CNI-|FLANNEL)`)

// withoutOurs leaves the chains of Kubernetes and CNI, and rules that lead to
// them, out of what iptables-save printed.
func withoutOurs(saved string) string {
	var kept strings.Builder
	for line := range strings.Lines(saved) {
		if !ourChain.MatchString(line) {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// emptyTable tells whether a table has nothing but base chains that accept, as
// iptables leaves them.
func emptyTable(text string) bool {
	if text == "" {
		return false
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "", line == "}", strings.HasPrefix(line, "#"), strings.HasPrefix(line, "table "), strings.HasPrefix(line, "chain "):
		case strings.HasPrefix(line, "type ") && strings.HasSuffix(line, "policy accept;"):
		default:
			return false
		}
	}
	return true
}

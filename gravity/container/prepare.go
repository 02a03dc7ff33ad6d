package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/store"
)

// The registry's files, as the container sees them.
var registry = store.Registry{
	Root:        paths.Inside + "/registry",
	CA:          paths.Inside + "/certificates/ca.crt",
	Certificate: paths.Inside + "/certificates/node.crt",
	Key:         paths.Inside + "/certificates/node.key",
}

// Prepare writes what differs from node to node, into the root file system and
// the runc configuration of the node's runtime: who the node is, where images
// come from, and what this kernel allows. The unit calls it each time before
// the container starts, so that a changed host is noticed.
func (c *Container) Prepare(n *node.Node) error {
	p := c.paths
	names, err := capabilities()
	if err != nil {
		return err
	}
	for _, folder := range p.Bound() {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	if err := os.Chmod(p.Etcd(), 0o700); err != nil {
		return err
	}
	for _, folder := range []string{p.Containerd(), p.Store()} {
		if err := os.MkdirAll(folder, 0o711); err != nil {
			return err
		}
	}
	// rsyslog's working directory, which its package makes when it is installed.
	if err := os.MkdirAll(filepath.Join(p.Rootfs(n.Runtime), "var/lib/rsyslog"), 0o700); err != nil {
		return err
	}
	for _, mount := range n.Mounts {
		if err := mount.Ensure(); err != nil {
			return err
		}
	}
	content, err := json.MarshalIndent(spec(p, n, names), "", "  ")
	if err != nil {
		return err
	}
	files := c.files(n, slices.Contains(names, capabilityResource))
	files[filepath.Join(p.Runtime(n.Runtime), "config.json")] = string(content)
	for path, content := range files {
		if err := paths.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	if err := c.writeEnvironment(n); err != nil {
		return err
	}
	if err := c.WriteMirrors(n); err != nil {
		return err
	}
	return c.WriteNetwork(n)
}

// files are those of the container, by their paths on the host.
func (c *Container) files(n *node.Node, strict bool) map[string]string {
	inside := func(name string) string { return filepath.Join(c.paths.Rootfs(n.Runtime), name) }
	files := map[string]string{
		inside("etc/hostname"): n.Name + "\n",
		// Pods that do not end when asked must not hold up a machine's shutdown.
		inside("etc/systemd/system.conf.d/gravity.conf"): "[Manager]\nDefaultTimeoutStopSec=15s\n",
	}
	if n.Master {
		// Without it the registry looks for somebody who collects traces.
		files[inside("etc/systemd/system/registry.service.d/gravity.conf")] = "[Service]\nEnvironment=OTEL_TRACES_EXPORTER=none\n"
		files[inside("etc/gravity/registry.yaml")] = string(registry.Config())
	}
	if id, err := os.ReadFile("/etc/machine-id"); err == nil {
		files[inside("etc/machine-id")] = string(id)
	}
	restrict := map[string]string{
		"etc/containerd/conf.d/restrict.toml":                   "version = 3\n[plugins.\"io.containerd.cri.v1.runtime\"]\nrestrict_oom_score_adj = true\n",
		"etc/systemd/system/containerd.service.d/restrict.conf": "[Service]\nOOMScoreAdjust=0\n",
		"etc/systemd/system/kubelet.service.d/restrict.conf":    "[Service]\nOOMScoreAdjust=0\n",
	}
	for name, content := range restrict {
		if strict {
			_ = os.Remove(inside(name)) // it is there if the host has changed
			continue
		}
		files[inside(name)] = content
	}
	return files
}

// WriteMirrors tells containerd, which notices at once, where the images of
// each original host are.
func (c *Container) WriteMirrors(n *node.Node) error {
	hosts, err := c.registryHosts(n)
	if err != nil {
		return err
	}
	masters, err := node.ReadMasters(c.paths)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if n.Master {
		masters = slices.DeleteFunc(masters, func(master netip.Addr) bool { return master == n.Address })
		masters = slices.Insert(masters, 0, netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	}
	folder := filepath.Join(c.paths.Rootfs(n.Runtime), "etc/containerd/certs.d")
	for _, host := range append(hosts, "") {
		name := host
		if name == "" {
			name = "_default"
		}
		if err := paths.WriteFile(filepath.Join(folder, name, "hosts.toml"), registry.Mirror(host, masters), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// registryHosts lists the original hosts of images: a master has them in its
// store, others were told.
func (c *Container) registryHosts(n *node.Node) ([]string, error) {
	if n.Master {
		return store.New(c.paths.Store()).Hosts()
	}
	return node.ReadHosts(c.paths)
}

// WriteNetwork writes the container's hosts and resolv.conf files in place,
// since they are bound into it one by one.
func (c *Container) WriteNetwork(n *node.Node) error {
	// Whoever looks a name up that has several addresses takes the next if one does
	// not answer.
	leaders := []netip.Addr{n.Address}
	if masters, err := node.ReadMasters(c.paths); err == nil {
		leaders = masters
	}
	hosts := fmt.Sprintf("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n%s %s\n", n.Address, n.Name)
	for _, leader := range leaders {
		hosts += fmt.Sprintf("%s leader.telekube.local registry.local\n", leader)
	}
	var resolv strings.Builder
	resolvers, search := HostResolvers()
	for _, resolver := range resolvers {
		fmt.Fprintf(&resolv, "nameserver %s\n", resolver)
	}
	if len(search) > 0 {
		fmt.Fprintf(&resolv, "search %s\n", strings.Join(search, " "))
	}
	for path, content := range map[string]string{c.paths.Hosts(): hosts, c.paths.Resolv(): resolv.String()} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// HostResolvers are the host's resolvers that pods can reach, and its search
// domains: those on loopback are left out, and where systemd-resolved stands
// before the real ones, those are taken (S116).
func HostResolvers() (resolvers []netip.Addr, search []string) {
	for _, path := range []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"} {
		content, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if resolvers, search = parseResolv(string(content)); len(resolvers) > 0 {
			return resolvers, search
		}
	}
	return nil, search
}

func parseResolv(content string) (resolvers []netip.Addr, search []string) {
	for line := range strings.Lines(content) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		switch fields[0] {
		case "nameserver":
			address, err := netip.ParseAddr(fields[1])
			if err == nil && !address.IsLoopback() && len(resolvers) < 3 {
				resolvers = append(resolvers, address)
			}
		case "search", "domain":
			search = fields[1:min(len(fields), 7)]
		}
	}
	return resolvers, search
}

// RegistryAddress is where the registry of this host answers.
func RegistryAddress() string { return net.JoinHostPort("127.0.0.1", fmt.Sprint(store.RegistryPort)) }

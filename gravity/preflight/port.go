package preflight

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/prometheus/procfs"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
)

// use is a range of ports that something needs.
type use struct {
	protocol    manifest.Protocol
	first, last int
	by          string
	master      bool       // only on nodes with a control plane
	address     netip.Addr // the only address that it listens on, if valid
}

// clusterPorts are those that the cluster listens on (section L of the
// original's notes, and what today's components add).
var clusterPorts = []use{
	{protocol: manifest.ProtocolTCP, first: 2379, last: 2380, by: "etcd", master: true},
	{protocol: manifest.ProtocolTCP, first: 3009, last: 3009, by: "nodes that join"},
	{protocol: manifest.ProtocolTCP, first: 3012, last: 3012, by: "the agent"},
	{protocol: manifest.ProtocolTCP, first: 5000, last: 5000, by: "the registry", master: true},
	{protocol: manifest.ProtocolTCP, first: 6443, last: 6443, by: "the Kubernetes API", master: true},
	{protocol: manifest.ProtocolTCP, first: 7496, last: 7496, by: "the membership of nodes"},
	{protocol: manifest.ProtocolUDP, first: 7496, last: 7496, by: "the membership of nodes"},
	{protocol: manifest.ProtocolTCP, first: 7575, last: 7575, by: "the agent's health"},
	{protocol: manifest.ProtocolTCP, first: 8081, last: 8081, by: "flannel's health"},
	{protocol: manifest.ProtocolTCP, first: 10248, last: 10250, by: "kubelet and kube-proxy"},
	{protocol: manifest.ProtocolTCP, first: 10256, last: 10256, by: "kube-proxy's health"},
	{protocol: manifest.ProtocolTCP, first: 10257, last: 10257, by: "the controller manager", master: true},
	{protocol: manifest.ProtocolTCP, first: 10259, last: 10259, by: "the scheduler", master: true},
}

// wireGuardPort is where flannel's WireGuard listens.
const wireGuardPort = 51820

func (o *Options) checkPorts(context.Context) (finding, error) {
	var uses []use
	for _, each := range clusterPorts {
		if !each.master || o.maybeMaster() {
			uses = append(uses, each)
		}
	}
	switch o.Network {
	case manifest.NetworkHostGW: // packets are sent as they are
	case manifest.NetworkWireGuard:
		uses = append(uses, use{protocol: manifest.ProtocolUDP, first: wireGuardPort, last: wireGuardPort, by: "WireGuard"})
	default:
		uses = append(uses, use{protocol: manifest.ProtocolUDP, first: o.VXLANPort, last: o.VXLANPort, by: "VXLAN"})
	}
	if o.DNSAddress.IsValid() {
		for _, protocol := range []manifest.Protocol{manifest.ProtocolTCP, manifest.ProtocolUDP} {
			uses = append(uses, use{protocol: protocol, first: 53, last: 53, by: "the name server", address: o.DNSAddress})
		}
	}
	return o.checkFree(uses)
}

func (o *Options) checkProfilePorts(context.Context) (finding, error) {
	var uses []use
	for _, ports := range o.Profile.Requirements.Network.Ports {
		for _, each := range ports.Ranges {
			uses = append(uses, use{protocol: ports.Protocol, first: each.First, last: each.Last, by: "the application"})
		}
	}
	if len(uses) == 0 {
		return passed("the profile has none"), nil
	}
	return o.checkFree(uses)
}

func (o *Options) checkFree(uses []use) (finding, error) {
	sockets, err := o.Machine.listeners()
	if err != nil {
		return finding{}, err
	}
	var found problems
	var owners map[uint64]process
	ports := 0
	for _, use := range uses {
		ports += use.last - use.first + 1
		for _, each := range sockets {
			if !each.conflicts(use) {
				continue
			}
			if owners == nil {
				if owners, err = o.Machine.socketOwners(); err != nil {
					return finding{}, err
				}
			}
			// What the kernel listens on by itself belongs to nobody.
			owner, remedy := "no process here", "ip -d link show type vxlan, and ss -lnp in other containers"
			if process, known := owners[each.inode]; known {
				owner = fmt.Sprintf("%s (pid %d)", process.name, process.pid)
				remedy = fmt.Sprintf("stop %s, or let it use another port", process.name)
			} else if o.Machine.UID != 0 {
				owner, remedy = "another user's process", fmt.Sprintf("ss -lnp sport = %d, as root", each.port)
			}
			text := fmt.Sprintf("%d/%s (%s) is used by %s", each.port, each.protocol, use.by, owner)
			if !slices.Contains(found.measured, text) { // a process may have two, one for each family
				found.add(text, remedy)
			}
		}
	}
	return found.finding(passed("%s free", count(ports, "port", "ports")).want("free")), nil
}

// socket is a socket that waits for others.
type socket struct {
	protocol manifest.Protocol
	address  netip.Addr
	port     int
	inode    uint64
}

func (s socket) conflicts(with use) bool {
	if s.protocol != with.protocol || s.port < with.first || s.port > with.last {
		return false
	}
	return !with.address.IsValid() || s.address.IsUnspecified() || with.address.IsUnspecified() || s.address == with.address
}

// stateListen is the state of TCP sockets that wait for connections.
const stateListen = 0x0a

// listeners lists the sockets that listen.
func (m *Machine) listeners() ([]socket, error) {
	proc, err := m.proc()
	if err != nil {
		return nil, err
	}
	var found []socket
	for _, table := range []struct {
		name     string
		protocol manifest.Protocol
		read     func() ([]socket, error)
	}{
		{"tcp", manifest.ProtocolTCP, func() ([]socket, error) { return tcpSockets(proc.NetTCP()) }},   //nolint:staticcheck // netlink needs tcp_diag, which kernels may lack
		{"tcp6", manifest.ProtocolTCP, func() ([]socket, error) { return tcpSockets(proc.NetTCP6()) }}, //nolint:staticcheck // likewise
		{"udp", manifest.ProtocolUDP, func() ([]socket, error) { return udpSockets(proc.NetUDP()) }},
		{"udp6", manifest.ProtocolUDP, func() ([]socket, error) { return udpSockets(proc.NetUDP6()) }},
	} {
		if !m.exists("/proc/net/" + table.name) {
			continue // a kernel without IPv6
		}
		sockets, err := table.read()
		if err != nil {
			return nil, fmt.Errorf("/proc/net/%s: %w", table.name, err)
		}
		for _, each := range sockets {
			each.protocol = table.protocol
			found = append(found, each)
		}
	}
	return found, nil
}

func tcpSockets(table procfs.NetTCP, err error) ([]socket, error) {
	var found []socket
	for _, line := range table {
		if line.St == stateListen {
			address, _ := netip.AddrFromSlice(line.LocalAddr)
			found = append(found, socket{address: address.Unmap(), port: int(line.LocalPort), inode: line.Inode}) //nolint:gosec // a port
		}
	}
	return found, err
}

func udpSockets(table procfs.NetUDP, err error) ([]socket, error) {
	var found []socket
	for _, line := range table {
		if line.RemPort == 0 {
			address, _ := netip.AddrFromSlice(line.LocalAddr)
			found = append(found, socket{address: address.Unmap(), port: int(line.LocalPort), inode: line.Inode}) //nolint:gosec // a port
		}
	}
	return found, err
}

// socketOwners tells which process has a socket, by its inode. Of several that
// share it, the first counts.
func (m *Machine) socketOwners() (map[uint64]process, error) {
	proc, err := m.proc()
	if err != nil {
		return nil, err
	}
	all, err := proc.AllProcs()
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b procfs.Proc) int { return a.PID - b.PID })
	owners := map[uint64]process{}
	for _, each := range all {
		targets, err := each.FileDescriptorTargets()
		if err != nil {
			continue // another user's, or it has ended
		}
		name, _ := each.Comm()
		for _, target := range targets {
			var inode uint64
			if _, err := fmt.Sscanf(target, "socket:[%d]", &inode); err != nil || !strings.HasSuffix(target, "]") {
				continue
			}
			if _, known := owners[inode]; !known {
				owners[inode] = process{each.PID, name}
			}
		}
	}
	return owners, nil
}

package network

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const bridgeName = "lab"

// Network is a lab's network. Its methods must be called from the mount
// namespace that it was made in.
type Network struct {
	Plan

	path     string
	reserved net.Listener
	resolver *resolver
	mu       sync.Mutex
}

// Reserve keeps a name for the caller, on the whole host and for as long as
// its process lives. It is a socket in the abstract namespace: the kernel
// decides who is first and frees it whatever happens to the process.
func Reserve(name string) (net.Listener, error) {
	return net.Listen("unix", "@gravity-lab/"+name)
}

// New makes the network of a lab below a directory. The wanted subnet is used
// if it is valid; otherwise one is chosen that collides with no route of the
// host and no other lab.
func New(directory, lab string, wanted netip.Prefix, progress func(string)) (_ *Network, err error) {
	routes, err := hostRoutes()
	if err != nil {
		return nil, err
	}
	network, err := choose(lab, wanted, routes)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			network.Close()
		}
	}()
	progress("network " + network.Subnet.String())
	network.path = filepath.Join(directory, "netns")
	if err := newNamespace(network.path); err != nil {
		return nil, err
	}
	if err := In(network.path, network.makeBridge); err != nil {
		return nil, fmt.Errorf("make the lab's bridge: %w", err)
	}
	if err := network.linkHost(); err != nil {
		return nil, fmt.Errorf("link the host to the lab's bridge: %w", err)
	}
	if err := In(network.path, func() (err error) {
		network.resolver, err = listen(network.Gateway())
		return err
	}); err != nil {
		return nil, fmt.Errorf("start the lab's name server: %w", err)
	}
	return network, nil
}

func choose(lab string, wanted netip.Prefix, routes []netip.Prefix) (*Network, error) {
	candidates := Candidates(lab)
	if wanted.IsValid() {
		candidates = []netip.Prefix{wanted}
	}
	var last error
	for _, subnet := range candidates {
		plan, err := NewPlan(subnet)
		if err != nil {
			return nil, err
		}
		if route, found := Collision(subnet, routes); found {
			last = fmt.Errorf("the host already has a route to %s", route)
			continue
		}
		reserved, err := Reserve("subnet/" + subnet.String())
		if err != nil {
			last = fmt.Errorf("another lab uses it: %w", err)
			continue
		}
		return &Network{Plan: plan, reserved: reserved}, nil
	}
	if wanted.IsValid() {
		return nil, fmt.Errorf("subnet %s cannot be used: %w", wanted, last)
	}
	return nil, fmt.Errorf("no subnet of %s is free: %w", Pool, last)
}

// hostRoutes lists the destinations in all routing tables of the host.
func hostRoutes() ([]netip.Prefix, error) {
	filter := &netlink.Route{Table: unix.RT_TABLE_UNSPEC}
	list, err := netlink.RouteListFiltered(netlink.FAMILY_V4, filter, netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, fmt.Errorf("list the host's routes: %w", err)
	}
	var routes []netip.Prefix
	for _, route := range list {
		if route.Dst == nil {
			continue
		}
		address, ok := netip.AddrFromSlice(route.Dst.IP)
		ones, _ := route.Dst.Mask.Size()
		if ok {
			routes = append(routes, netip.PrefixFrom(address.Unmap(), ones))
		}
	}
	return routes, nil
}

// makeBridge runs in the lab's namespace.
func (n *Network) makeBridge() error {
	if err := up("lo"); err != nil {
		return err
	}
	bridge := &netlink.Bridge{LinkAttrs: netlink.NewLinkAttrs()}
	bridge.Name = bridgeName
	bridge.HardwareAddr = hardwareAddress(n.Gateway())
	if err := netlink.LinkAdd(bridge); err != nil {
		return err
	}
	if err := addAddress(bridge, n.Gateway(), n.Subnet.Bits()); err != nil {
		return err
	}
	// A gateway answers "unreachable" only if it forwards. This one has no
	// route but to the lab itself, so there is nowhere that it could forward
	// to. Without the rate limit every packet gets its answer.
	settings := map[string]string{"conf/" + bridgeName + "/forwarding": "1", "icmp_ratelimit": "0"}
	for name, value := range settings {
		if err := os.WriteFile("/proc/sys/net/ipv4/"+name, []byte(value), 0); err != nil {
			return err
		}
	}
	return up(bridgeName)
}

func (n *Network) linkHost() error {
	namespace, err := os.Open(n.path)
	if err != nil {
		return err
	}
	defer namespace.Close()
	link := &netlink.Veth{LinkAttrs: netlink.NewLinkAttrs(), PeerName: "host", PeerNamespace: netlink.NsFd(namespace.Fd())}
	link.Name = n.Link()
	link.HardwareAddr = hardwareAddress(n.Host())
	if err := netlink.LinkAdd(link); err != nil {
		return fmt.Errorf("add %s: %w", link.Name, err)
	}
	if err := In(n.path, func() error { return plug("host") }); err != nil {
		return err
	}
	if err := addAddress(link, n.Host(), n.Subnet.Bits()); err != nil {
		return err
	}
	return up(link.Name)
}

// Close lets go of the network. It vanishes with the last of its machines.
func (n *Network) Close() {
	_ = n.reserved.Close()
	if n.resolver != nil {
		n.resolver.Close()
	}
	if n.path == "" {
		return
	}
	// Removing one end removes both, at once rather than when the kernel
	// comes to cleaning up the namespace.
	if link, err := netlink.LinkByName(n.Link()); err == nil {
		_ = netlink.LinkDel(link)
	}
	_ = unix.Unmount(n.path, unix.MNT_DETACH)
}

// plug makes a link of the current namespace a port of the bridge.
func plug(name string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("plug in %s: %w", name, err)
	}
	bridge, err := netlink.LinkByName(bridgeName)
	if err != nil {
		return fmt.Errorf("plug in %s: %w", name, err)
	}
	if err := netlink.LinkSetMaster(link, bridge); err != nil {
		return fmt.Errorf("plug in %s: %w", name, err)
	}
	return up(name)
}

func up(name string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find %s: %w", name, err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("set %s up: %w", name, err)
	}
	return nil
}

func addAddress(link netlink.Link, address netip.Addr, bits int) error {
	network := &net.IPNet{IP: address.AsSlice(), Mask: net.CIDRMask(bits, 32)}
	if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: network}); err != nil {
		return fmt.Errorf("give %s the address %s: %w", link.Attrs().Name, address, err)
	}
	return nil
}

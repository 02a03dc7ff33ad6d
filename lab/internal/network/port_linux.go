package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Attach makes the network namespace of a machine at path, with its address on
// eth0, and a port of the bridge named port. What was there is replaced.
func (n *Network) Attach(path, port string, address netip.Addr, defaultRoute bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.detach(path, port); err != nil {
		return err
	}
	if err := newNamespace(path); err != nil {
		return err
	}
	namespace, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("attach to the network: %w", err)
	}
	defer namespace.Close()
	err = In(n.path, func() error {
		link := &netlink.Veth{
			LinkAttrs: netlink.NewLinkAttrs(), PeerName: "eth0", PeerHardwareAddr: hardwareAddress(address),
			PeerNamespace: netlink.NsFd(namespace.Fd()),
		}
		link.Name = port
		if err := netlink.LinkAdd(link); err != nil {
			return fmt.Errorf("add %s: %w", port, err)
		}
		return plug(port)
	})
	if err != nil {
		return fmt.Errorf("attach to the network: %w", err)
	}
	err = In(path, func() error { return n.configure(address, defaultRoute) })
	if err != nil {
		return fmt.Errorf("configure the network of a machine: %w", err)
	}
	return nil
}

// configure runs in the machine's namespace.
func (n *Network) configure(address netip.Addr, defaultRoute bool) error {
	if err := up("lo"); err != nil {
		return err
	}
	link, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	if err := addAddress(link, address, n.Subnet.Bits()); err != nil {
		return err
	}
	if err := up("eth0"); err != nil || !defaultRoute {
		return err
	}
	gateway := net.IP(n.Gateway().AsSlice())
	return netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Gw: gateway})
}

// Detach removes the port and the namespace of a machine.
func (n *Network) Detach(path, port string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.detach(path, port)
}

func (n *Network) detach(path, port string) error {
	err := In(n.path, func() error {
		link, err := netlink.LinkByName(port)
		if errors.As(err, &netlink.LinkNotFoundError{}) {
			return nil
		}
		if err != nil {
			return err
		}
		return netlink.LinkDel(link)
	})
	if err != nil {
		return fmt.Errorf("detach %s from the network: %w", port, err)
	}
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("let go of network namespace %s: %w", path, err)
	}
	return nil
}

// Connect puts a port on the bridge or takes it off. A machine without its
// port on the bridge still has a carrier: its packets vanish, as they do
// behind a broken switch, which is harder on programs than a pulled cable.
func (n *Network) Connect(port string, connected bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return In(n.path, func() error {
		if connected {
			return plug(port)
		}
		link, err := netlink.LinkByName(port)
		if err != nil {
			return fmt.Errorf("cut %s: %w", port, err)
		}
		return netlink.LinkSetNoMaster(link)
	})
}

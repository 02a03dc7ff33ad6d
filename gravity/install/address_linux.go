package install

import (
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// hostAddresses are this machine's addresses that others could reach.
func hostAddresses() ([]netip.Addr, error) {
	found, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var addresses []netip.Addr
	for _, entry := range found {
		network, ok := entry.(*net.IPNet)
		if !ok {
			continue
		}
		address, _ := netip.AddrFromSlice(network.IP)
		if address = address.Unmap(); address.Is4() && !address.IsLoopback() && !address.IsLinkLocalUnicast() {
			addresses = append(addresses, address)
		}
	}
	return addresses, nil
}

// defaultAddress is the first address of the interface of the default route.
func defaultAddress() (netip.Addr, bool) {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return netip.Addr{}, false
	}
	for _, route := range routes {
		if route.Dst != nil && !route.Dst.IP.IsUnspecified() {
			continue
		}
		if address, ok := netip.AddrFromSlice(route.Src); ok {
			return address.Unmap(), true
		}
		link, err := netlink.LinkByIndex(route.LinkIndex)
		if err != nil {
			continue
		}
		addresses, err := netlink.AddrList(link, netlink.FAMILY_V4)
		if err == nil && len(addresses) > 0 {
			if address, ok := netip.AddrFromSlice(addresses[0].IP); ok {
				return address.Unmap(), true
			}
		}
	}
	return netip.Addr{}, false
}

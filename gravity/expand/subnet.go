package expand

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// checkSubnet fails if the network of pods needs all nodes in one subnet and this one
// is in another than the masters: routes to pods lead by way of their nodes.
func checkSubnet(network string, own netip.Addr, masters []netip.Addr) error {
	if network != manifest.NetworkHostGW {
		return nil
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return err
	}
	for _, address := range addresses {
		if subnet, err := netip.ParsePrefix(address.String()); err == nil && subnet.Addr() == own {
			return inSubnet(subnet.Masked(), masters)
		}
	}
	return nil // another check is about that
}

func inSubnet(subnet netip.Prefix, masters []netip.Addr) error {
	for _, master := range masters {
		if !subnet.Contains(master) {
			return cli.WithHint(fmt.Errorf("the cluster's network, %s, needs all nodes in one subnet: master %s is not in %s, this machine's",
				manifest.NetworkHostGW, master, subnet),
				"name an address of the masters' subnet with --advertise-addr, or install the application with network type %s", manifest.NetworkVXLAN)
		}
	}
	return nil
}

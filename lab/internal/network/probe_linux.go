package network

import (
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/thread"
)

// Probe tries in a namespace of its own whether the kernel has what a lab's
// network is made of.
func Probe() error {
	return thread.Run(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make a network namespace: %w", err)
		}
		bridge := &netlink.Bridge{LinkAttrs: netlink.NewLinkAttrs()}
		bridge.Name = bridgeName
		if err := netlink.LinkAdd(bridge); err != nil {
			return fmt.Errorf("add a bridge: %w", err)
		}
		veth := &netlink.Veth{LinkAttrs: netlink.NewLinkAttrs(), PeerName: "peer"}
		veth.Name = "probe"
		if err := netlink.LinkAdd(veth); err != nil {
			return fmt.Errorf("add a veth pair: %w", err)
		}
		return nil
	})
}

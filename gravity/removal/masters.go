package removal

import (
	"context"
	"net/netip"
	"slices"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/balancer"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kubeadm"
)

// masters takes a master off the list of a node that stays: the node's balancer
// sends nothing there any more, and its agent does not obey it.
type masters struct{ *environment }

func (m *masters) Execute(context.Context) error {
	known, err := m.read()
	if err != nil {
		return err
	}
	left := slices.DeleteFunc(known, func(address netip.AddrPort) bool { return address.Addr() == m.settings.Address })
	if len(left) == 0 {
		// It knew nobody else.
		for _, master := range m.settings.Masters {
			left = append(left, netip.AddrPortFrom(master, kubeadm.APIServerPort))
		}
	}
	return balancer.WriteMasters(m.paths.Masters(), left)
}

// Rollback puts the master back, as the last one to ask.
func (m *masters) Rollback(context.Context) error {
	known, err := m.read()
	if err != nil {
		return err
	}
	address := netip.AddrPortFrom(m.settings.Address, kubeadm.APIServerPort)
	if slices.Contains(known, address) {
		return nil
	}
	return balancer.WriteMasters(m.paths.Masters(), append(known, address))
}

func (m *masters) read() ([]netip.AddrPort, error) {
	texts, err := balancer.ReadMasters(m.paths.Masters())
	if err != nil {
		return nil, err
	}
	addresses := make([]netip.AddrPort, 0, len(texts))
	for _, text := range texts {
		address, err := netip.ParseAddrPort(text)
		if err != nil {
			return nil, err
		}
		addresses = append(addresses, address)
	}
	return addresses, nil
}

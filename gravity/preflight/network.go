package preflight

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
)

// advertise is the address that other nodes reach this one at; it is not valid
// if there is none.
func (o *Options) advertise() (netip.Addr, error) {
	if o.AdvertiseAddress.IsValid() {
		return o.AdvertiseAddress, nil
	}
	links, err := o.Machine.Links()
	if err != nil {
		return netip.Addr{}, err
	}
	routes, err := o.Machine.Routes()
	if err != nil {
		return netip.Addr{}, err
	}
	var first netip.Addr
	for _, link := range links {
		for _, address := range link.Addresses {
			if usable := !link.Loopback && address.Addr().Is4() && address.Addr().IsGlobalUnicast(); !usable {
				continue
			}
			if !first.IsValid() {
				first = address.Addr()
			}
			for _, route := range routes {
				if route.Default() && route.To.Addr().Is4() && route.Link == link.Name {
					return address.Addr(), nil
				}
			}
		}
	}
	return first, nil
}

// addressOr is the address of the machine, or a word in its place.
func (o *Options) addressOr(word string) string {
	if address, err := o.advertise(); err == nil && address.IsValid() {
		return address.String()
	}
	return word
}

func (o *Options) checkAdvertiseAddress(context.Context) (finding, error) {
	address, err := o.advertise()
	if err != nil {
		return finding{}, err
	}
	const wanted = "an address of an interface of this machine"
	const remedy = "--advertise-addr=ADDRESS, with one that 'ip address' shows"
	if !address.IsValid() {
		return passed("there is no address but loopback ones").want(wanted).unless(false, remedy), nil
	}
	links, err := o.Machine.Links()
	if err != nil {
		return finding{}, err
	}
	name := linkOf(links, address.Unmap())
	if name == "" {
		return passed("no interface has %s", address).want(wanted).unless(false, remedy), nil
	}
	return passed("%s on %s", address, name).want(wanted).
		unless(!address.IsLoopback(), remedy), nil
}

// Other nodes need not be on the default route: a site without internet may
// have none.
func (o *Options) checkAdvertiseRoute(context.Context) (finding, error) {
	address, err := o.advertise()
	if err != nil {
		return finding{}, err
	}
	if !address.IsValid() {
		return finding{}, errors.New("there is no address to advertise")
	}
	routes, err := o.Machine.Routes()
	if err != nil {
		return finding{}, err
	}
	for _, route := range routes {
		if route.To.Contains(address) && route.To.Bits() < address.BitLen() {
			name := route.To.String()
			if route.Default() {
				name = "the default route"
			}
			return passed("%s covers %s", name, address), nil
		}
	}
	return passed("no route covers %s", address).want("a route to the network of the other nodes").
		unless(false, "ip route add NETWORK dev INTERFACE"), nil
}

func (o *Options) checkOverlap(context.Context) (finding, error) {
	own := []struct {
		what, flag string
		network    netip.Prefix
	}{
		{"the pod network", "--pod-network-cidr", o.PodNetwork.Masked()},
		{"the service network", "--service-cidr", o.ServiceNetwork.Masked()},
	}
	var found problems
	if own[0].network.Overlaps(own[1].network) {
		found.add(fmt.Sprintf("the pod network %s and the service network %s overlap", own[0].network, own[1].network),
			"--service-cidr=NETWORK, with another")
	}
	others, err := o.Machine.networks()
	if err != nil {
		return finding{}, err
	}
	for _, mine := range own {
		for _, other := range others {
			if mine.network.Overlaps(other.network) {
				found.add(fmt.Sprintf("%s %s overlaps %s", mine.what, mine.network, other.what), mine.flag+"=NETWORK, with another")
				break
			}
		}
	}
	return found.finding(passed("pods %s, services %s, %s of this machine", o.PodNetwork, o.ServiceNetwork,
		count(len(others), "network", "networks")).want("networks that do not overlap")), nil
}

// hostNetwork is a network that the machine reaches without the cluster.
type hostNetwork struct {
	what    string
	network netip.Prefix
}

func (m *Machine) networks() ([]hostNetwork, error) {
	links, err := m.Links()
	if err != nil {
		return nil, err
	}
	routes, err := m.Routes()
	if err != nil {
		return nil, err
	}
	var found []hostNetwork
	for _, link := range links {
		for _, address := range link.Addresses {
			found = append(found, hostNetwork{fmt.Sprintf("%s of interface %s", address, link.Name), address.Masked()})
		}
	}
	for _, route := range routes {
		if !route.Default() {
			what := fmt.Sprintf("the route to %s", route.To)
			if route.Link != "" { // unreachable networks have none
				what += " on " + route.Link
			}
			found = append(found, hostNetwork{what, route.To.Masked()})
		}
	}
	return found, nil
}

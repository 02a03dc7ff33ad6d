package network

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"net/netip"
)

// Pool is where the subnets of labs are taken from.
var Pool = netip.MustParsePrefix("10.213.0.0/16")

// MaxMachines is how many machines fit into a lab.
const MaxMachines = 200

// Plan is how the addresses of a lab's subnet are used.
type Plan struct {
	Subnet netip.Prefix
}

// firstMachine leaves room for addresses that tests use for balancers and the
// like: everything below it but the gateway is free.
const firstMachine = 11

// NewPlan checks that a subnet is an IPv4 /24, given by its first address.
func NewPlan(subnet netip.Prefix) (Plan, error) {
	if !subnet.Addr().Is4() || subnet.Bits() != 24 || subnet != subnet.Masked() {
		return Plan{}, fmt.Errorf("subnet %s is not an IPv4 /24 such as %s", subnet, netip.PrefixFrom(Pool.Addr(), 24))
	}
	return Plan{Subnet: subnet}, nil
}

// Gateway is the bridge's address.
func (p Plan) Gateway() netip.Addr { return p.address(1) }

// Host is the address by which the host is on the subnet.
func (p Plan) Host() netip.Addr { return p.address(254) }

// Machine is the address of the machine with the given index, from 0.
func (p Plan) Machine(index int) netip.Addr { return p.address(firstMachine + index) }

// Link is the name of the host's network interface.
func (p Plan) Link() string {
	bytes := p.Subnet.Addr().As4()
	return fmt.Sprintf("glab-%02x%02x%02x", bytes[0], bytes[1], bytes[2])
}

func (p Plan) address(host int) netip.Addr {
	bytes := p.Subnet.Addr().As4()
	bytes[3] = byte(host)
	return netip.AddrFrom4(bytes)
}

// hardwareAddress derives a locally administered MAC address from an IP
// address, so that a machine that is started again is known to its neighbours.
func hardwareAddress(address netip.Addr) []byte {
	bytes := address.As4()
	return append([]byte{0x02, 0x67}, bytes[:]...)
}

// Candidates are the subnets to try for a lab, beginning at a place that its
// name gives, so that a lab usually gets the same addresses again.
func Candidates(lab string) []netip.Prefix {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(lab))
	count := 1 << (24 - Pool.Bits())
	base := Pool.Addr().As4()
	candidates := make([]netip.Prefix, 0, count)
	for i := range count {
		number := (int(hash.Sum32()%uint32(count)) + i) % count
		var bytes [4]byte
		binary.BigEndian.PutUint32(bytes[:], binary.BigEndian.Uint32(base[:])+uint32(number)<<8)
		candidates = append(candidates, netip.PrefixFrom(netip.AddrFrom4(bytes), 24))
	}
	return candidates
}

// Collision returns the first of the routes that covers part of the subnet. A
// default route covers everything and does not count.
func Collision(subnet netip.Prefix, routes []netip.Prefix) (netip.Prefix, bool) {
	for _, route := range routes {
		if route.Bits() > 0 && route.Overlaps(subnet) {
			return route, true
		}
	}
	return netip.Prefix{}, false
}

package node

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// maxEntries is how many masters, or hosts, a list may have.
const maxEntries = 1000

// apiServerPort is where the API servers of masters listen.
const apiServerPort = 6443

// WriteMasters writes the list of masters that the node knows, the preferred one
// first: addresses of their API servers, which the balancer reads.
func WriteMasters(p paths.Paths, masters []netip.Addr) error {
	addresses := make([]netip.AddrPort, 0, len(masters))
	for _, master := range masters {
		addresses = append(addresses, netip.AddrPortFrom(master, apiServerPort))
	}
	return writeList(p.Masters(), addresses)
}

// ReadMasters reads the list of masters that the node knows; it has one at least.
// If there is none, the error is fs.ErrNotExist.
func ReadMasters(p paths.Paths) ([]netip.Addr, error) {
	addresses, err := readList[netip.AddrPort](p.Masters())
	if err != nil {
		return nil, err
	}
	masters := make([]netip.Addr, 0, len(addresses))
	for _, address := range addresses {
		masters = append(masters, address.Addr())
	}
	return masters, nil
}

// Order sorts masters in the order in which a node prefers them: itself first,
// and other nodes spread over all of them.
func (n *Node) Order(masters []netip.Addr) []netip.Addr {
	sorted := slices.SortedFunc(slices.Values(masters), netip.Addr.Compare)
	sorted = slices.Compact(sorted)
	if len(sorted) == 0 {
		return nil
	}
	first := slices.Index(sorted, n.Address)
	if first < 0 {
		bytes := n.Address.AsSlice()
		first = int(bytes[len(bytes)-1]) % len(sorted)
	}
	return slices.Concat(sorted[first:], sorted[:first])
}

// WriteHosts writes the list of original hosts of the images that masters serve.
func WriteHosts(p paths.Paths, hosts []string) error { return writeList(p.RegistryHosts(), hosts) }

// ReadHosts reads that list.
func ReadHosts(p paths.Paths) ([]string, error) { return readList[string](p.RegistryHosts()) }

func writeList[T any](file string, list []T) error {
	content, err := json.Marshal(list)
	if err != nil {
		return err
	}
	return paths.WriteFile(file, append(content, '\n'), 0o644)
}

func readList[T any](file string) ([]T, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var list []T
	if err := json.Unmarshal(content, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(list) == 0 || len(list) > maxEntries {
		return nil, fmt.Errorf("%s has %d entries", file, len(list))
	}
	return list, nil
}

package flannel

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/flannel-io/flannel/pkg/lease"
	"github.com/flannel-io/flannel/pkg/subnet"
)

// cniNetwork is what this node's bridge needs to know.
type cniNetwork struct {
	subnets []string // CIDRs of this node's pods, IPv4 first
	mtu     int      // bytes, the back end's overhead already taken off
	hairpin bool
}

func leaseSubnets(config *subnet.Config, lease *lease.Lease) []string {
	var subnets []string
	if config.EnableIPv4 {
		subnets = append(subnets, lease.Subnet.String())
	}
	if config.EnableIPv6 {
		subnets = append(subnets, lease.IPv6Subnet.String())
	}
	return subnets
}

// conflist is the CNI network configuration list (specification 1.0.0): a
// bridge with local addresses, host ports, and bandwidth limits.
func (n cniNetwork) conflist() ([]byte, error) {
	type object = map[string]any
	ranges := make([][]object, 0, len(n.subnets))
	for _, cidr := range n.subnets {
		ranges = append(ranges, []object{{"subnet": cidr}})
	}
	return json.MarshalIndent(object{
		"name":       "cbr0",
		"cniVersion": "1.0.0",
		"plugins": []object{
			{
				"type":             "bridge",
				"bridge":           "cni0",
				"mtu":              n.mtu,
				"hairpinMode":      n.hairpin,
				"isDefaultGateway": true,
				"ipMasq":           false, // flanneld does it for the whole network
				"ipam":             object{"type": "host-local", "ranges": ranges},
			},
			{"type": "portmap", "capabilities": object{"portMappings": true}},
			{"type": "bandwidth", "capabilities": object{"bandwidth": true}},
		},
	}, "", "  ")
}

// writeCNIConfig replaces the file in one step: containerd watches the folder
// and must never read half of it.
func writeCNIConfig(path string, network cniNetwork) error {
	content, err := network.conflist()
	if err != nil {
		return fmt.Errorf("encode the CNI configuration: %w", err)
	}
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	temporary, err := os.CreateTemp(folder, ".flannel-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() { _ = os.Remove(temporary.Name()) }() // gone after the rename
	_, err = temporary.Write(content)
	if err == nil {
		err = temporary.Chmod(0o644)
	}
	if err == nil {
		err = temporary.Sync()
	}
	if closeErr := temporary.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

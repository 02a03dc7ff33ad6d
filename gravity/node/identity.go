package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// Dismissal is what a node is left with that the cluster has removed, without its
// knowing at the time.
type Dismissal struct {
	// Time is when the node found out.
	Time time.Time `json:"time"`
	// Reason is what it was told.
	Reason string `json:"reason"`
}

// Write keeps the dismissal: the node does not start any more.
func (d *Dismissal) Write(p paths.Paths) error {
	content, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return paths.WriteFile(p.Dismissal(), append(content, '\n'), 0o600)
}

// ReadDismissal tells how the node was dismissed, nil if it was not.
func ReadDismissal(p paths.Paths) (*Dismissal, error) {
	content, err := os.ReadFile(p.Dismissal())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // as the comment says
	}
	if err != nil {
		return nil, err
	}
	var d Dismissal
	if err := json.Unmarshal(content, &d); err != nil {
		return nil, fmt.Errorf("%s: %w", p.Dismissal(), err)
	}
	return &d, nil
}

// Machine is what a node sees of the machine that it runs on.
type Machine struct {
	HostName  string
	Addresses []netip.Addr
}

// ThisMachine looks at the machine as it is now.
func ThisMachine() (Machine, error) {
	var m Machine
	var err error
	if m.HostName, err = os.Hostname(); err != nil {
		return m, err
	}
	found, err := net.InterfaceAddrs()
	if err != nil {
		return m, err
	}
	for _, each := range found {
		if network, ok := each.(*net.IPNet); ok {
			if address, ok := netip.AddrFromSlice(network.IP); ok {
				m.Addresses = append(m.Addresses, address.Unmap())
			}
		}
	}
	return m, nil
}

// CheckDismissal says that the node was removed from the cluster, and what to do
// with what is left.
func (n *Node) CheckDismissal(p paths.Paths) error {
	dismissal, err := ReadDismissal(p)
	if err != nil || dismissal == nil {
		return err
	}
	return fmt.Errorf("this machine is not a member of cluster %s any more: %s (noticed on %s); "+
		"remove what is left with 'gravity leave --force', then it can join again",
		n.Cluster, dismissal.Reason, dismissal.Time.UTC().Format(time.DateTime))
}

// CheckIdentity says why nothing of the node may start on this machine: it was
// removed from the cluster, or does not have its address any more, by which all
// others know it. The error has the way out.
func (n *Node) CheckIdentity(p paths.Paths, m Machine) error {
	if err := n.CheckDismissal(p); err != nil {
		return err
	}
	if slices.Contains(m.Addresses, n.Address) {
		return nil
	}
	return fmt.Errorf("this machine does not have the address %s any more, by which the cluster knows node %s; give it back, "+
		"or remove the node with 'gravity remove %s --force' on a master and 'gravity leave --force' here, and join again",
		n.Address, n.Name, n.Name)
}

// CheckName says that the machine is called otherwise than the node. The node
// works on: its container has its own name.
func (n *Node) CheckName(m Machine) error {
	if m.HostName == n.Name {
		return nil
	}
	return fmt.Errorf("the host name of this machine is %s now, but its node is %s in cluster %s and stays that; "+
		"set it back with 'hostnamectl hostname %s', or remove the node and join again", m.HostName, n.Name, n.Cluster, n.Name)
}

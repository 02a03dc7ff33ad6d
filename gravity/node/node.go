// Package node is what a node knows of itself and its cluster, on disk, so that
// it starts without asking anybody.
package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// Node is what a node knows of itself. It has no secrets.
type Node struct {
	// Cluster is the cluster's name.
	Cluster string `json:"cluster"`
	// Name is the node's name in Kubernetes: its host name.
	Name string `json:"name"`
	// Address is how other nodes reach it.
	Address netip.Addr `json:"address"`
	// Role is the node's profile in the application manifest.
	Role string `json:"role"`
	// Master tells masters from regular nodes.
	Master bool `json:"master"`
	// Runtime is the Kubernetes version that the node runs.
	Runtime string `json:"runtime"`
	// Application and Version are of the bundle that was installed.
	Application string `json:"application"`
	Version     string `json:"version"`
	// CloudProvider is generic, aws or gce, and only recorded.
	CloudProvider string `json:"cloud_provider,omitempty"`
	// PodNetwork is where the cluster's pods are; not valid if it was not recorded.
	PodNetwork netip.Prefix `json:"pod_network,omitzero"`
	// CertificateLifetime is how long certificates of the node are good, in
	// nanoseconds; zero means a year.
	CertificateLifetime time.Duration `json:"certificate_lifetime,omitempty"`
	// Mounts are the volumes of the node's profile.
	Mounts []Mount `json:"mounts,omitempty"`
}

// Mount is a folder of the host, and where the master container has it.
type Mount struct {
	// Source is the folder on the host, Target where the container has it; empty
	// for not at all.
	Source string `json:"source"`
	Target string `json:"target,omitempty"`
	// Recursive takes what is mounted below it as well.
	Recursive bool `json:"recursive,omitempty"`
	// Create makes the folder if it is missing.
	Create bool `json:"create,omitempty"`
	// Mode, UID and GID are those that the folder gets when the node is made; zero
	// and nil leave it as it is.
	Mode uint32 `json:"mode,omitempty"`
	UID  *int   `json:"uid,omitempty"`
	GID  *int   `json:"gid,omitempty"`
}

// Ensure makes the folder if it is missing and to be made.
func (m *Mount) Ensure() error {
	if !m.Create {
		return nil
	}
	return os.MkdirAll(m.Source, 0o755)
}

// Own makes the folder if need be, and gives it the wanted mode and owner.
func (m *Mount) Own() error {
	if err := m.Ensure(); err != nil {
		return err
	}
	if m.UID != nil || m.GID != nil {
		if err := os.Chown(m.Source, id(m.UID), id(m.GID)); err != nil {
			return err
		}
	}
	if m.Mode == 0 {
		return nil
	}
	// After the change of owner, which takes these bits away.
	special := fs.FileMode(0)
	for bit, mode := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if m.Mode&bit != 0 {
			special |= mode
		}
	}
	return os.Chmod(m.Source, fs.FileMode(m.Mode)&fs.ModePerm|special)
}

// id is that of a user or group; -1 leaves it as it is.
func id(of *int) int {
	if of == nil {
		return -1
	}
	return *of
}

// Read reads the node's file. If there is none, the error is fs.ErrNotExist.
func Read(p paths.Paths) (*Node, error) {
	content, err := os.ReadFile(p.Node())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, cli.WithHint(fmt.Errorf("this machine is not a node of a cluster: %w", err),
			"install a cluster with 'gravity install', or name the state folder with --state-dir")
	}
	if err != nil {
		return nil, err
	}
	var n Node
	if err := json.Unmarshal(content, &n); err != nil {
		return nil, fmt.Errorf("%s: %w", p.Node(), err)
	}
	if n.Name == "" || n.Runtime == "" || !n.Address.IsValid() {
		return nil, fmt.Errorf("%s: name, address or runtime is missing", p.Node())
	}
	return &n, nil
}

// Write writes the node's file.
func (n *Node) Write(p paths.Paths) error {
	content, err := json.MarshalIndent(n, "", "  ")
	if err != nil {
		return err
	}
	return paths.WriteFile(p.Node(), append(content, '\n'), 0o600)
}

// Package install makes a cluster of one machine: its phases are executors of
// package operation, each of them idempotent. The order is that of the original
// (gravity plan shows it); what differs is that a node's packages and images
// come straight from the bundle into the package store, which is the registry,
// before Kubernetes starts.
package install

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/preflight"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// Settings are what an installation was asked for, with defaults filled in
// (S12). They are part of the plan and hold no secrets.
type Settings struct {
	// Bundle is the path of the bundle, or of the folder it was extracted to;
	// Digest identifies it.
	Bundle string `json:"bundle"`
	Digest string `json:"digest"`
	// Node is the first node.
	Node node.Node `json:"node"`
	// PodNetwork and ServiceNetwork are CIDRs.
	PodNetwork     netip.Prefix `json:"pod_network"`
	ServiceNetwork netip.Prefix `json:"service_network"`
	// VXLANPort is the UDP port of the pod network.
	VXLANPort int `json:"vxlan_port"`
	// DNSZones are resolvers of their own for some domains.
	DNSZones map[string][]netip.AddrPort `json:"dns_zones,omitempty"`
	// Resources is a file with Kubernetes objects to create, GravityResources one
	// with documents of Gravity's own; empty for none. It may be the same file. It
	// may have secrets, so it lies in the state folder and not in the plan.
	Resources        string `json:"resources,omitempty"`
	GravityResources string `json:"gravity_resources,omitempty"`
	// AdminServiceAccounts gives the default service accounts of default and
	// kube-system all rights, as the original did (S107).
	AdminServiceAccounts bool `json:"admin_service_accounts,omitempty"`
	// Flavor, Mounts and Zones are as they were asked for; what became of mounts and
	// zones is in Node and DNSZones.
	Flavor string            `json:"flavor,omitempty"`
	Mounts map[string]string `json:"mounts,omitempty"`
	Zones  []string          `json:"zones,omitempty"`
	// SkipChecks are names of preflight checks to skip; ChecksOff skips all (S15).
	SkipChecks []string `json:"skip_checks,omitempty"`
	ChecksOff  bool     `json:"checks_off,omitempty"`
	// ServiceUser and ServiceGroup stand for -1 in the security contexts of hooks.
	ServiceUser  int64 `json:"service_uid"`
	ServiceGroup int64 `json:"service_gid"`
}

// Default networks and ports.
var (
	DefaultPodNetwork     = netip.MustParsePrefix("10.244.0.0/16")
	DefaultServiceNetwork = netip.MustParsePrefix("10.100.0.0/16")
)

// DefaultServiceUser stands for runAsUser: -1, and runAsGroup: -1, in hooks.
const DefaultServiceUser = 1000

// DefaultVXLANPort is the UDP port of the pod network.
const DefaultVXLANPort = 8472

var namePattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)

// Check finds settings that cannot be.
func (s *Settings) Check() error {
	if len(s.Node.Cluster) > 253 || !namePattern.MatchString(s.Node.Cluster) {
		return cli.Usagef("--cluster: %q is not a name: use lower-case letters, digits, hyphens and dots", s.Node.Cluster)
	}
	if len(s.Node.Name) > 63 || !namePattern.MatchString(s.Node.Name) {
		return cli.WithHint(fmt.Errorf("the host name %q cannot be the name of a node", s.Node.Name),
			"set one of lower-case letters, digits and hyphens with 'hostnamectl hostname'")
	}
	for flag, network := range map[string]netip.Prefix{"--pod-network-cidr": s.PodNetwork, "--service-cidr": s.ServiceNetwork} {
		if network != network.Masked() {
			return cli.Usagef("%s: %s is not the address of a network, %s is", flag, network, network.Masked())
		}
		if network.Contains(s.Node.Address) {
			return cli.Usagef("%s: %s contains this machine's address %s", flag, network, s.Node.Address)
		}
	}
	for domain := range s.DNSZones {
		if len(domain) > 253 || !namePattern.MatchString(domain) {
			return cli.Usagef("--dns-zone: %q is not a domain", domain)
		}
	}
	if s.PodNetwork.Overlaps(s.ServiceNetwork) {
		return cli.Usagef("--pod-network-cidr %s and --service-cidr %s overlap", s.PodNetwork, s.ServiceNetwork)
	}
	if s.PodNetwork.Bits() > 22 {
		return cli.Usagef("--pod-network-cidr: %s is too small: each node needs 256 addresses", s.PodNetwork)
	}
	if s.VXLANPort < 1 || s.VXLANPort > 65535 {
		return cli.Usagef("--vxlan-port: %d is not a port", s.VXLANPort)
	}
	return nil
}

// CheckAddress refuses an address that this machine does not have, or that
// others cannot reach.
func CheckAddress(address netip.Addr) error {
	addresses, err := hostAddresses()
	if err != nil || slices.Contains(addresses, address) {
		return err
	}
	return cli.WithHint(cli.Usagef("--advertise-addr: this machine has no address %s that others reach", address), "it has: %s", join(addresses))
}

func join(addresses []netip.Addr) string {
	names := make([]string, len(addresses))
	for i, address := range addresses {
		names[i] = address.String()
	}
	return strings.Join(names, ", ")
}

// CheckSkipped refuses names that no check of a profile has.
func CheckSkipped(profile manifest.NodeProfile, names []string) error {
	if _, err := preflight.Checks(preflight.Options{Profile: profile, Skip: names}); err != nil {
		return cli.Usagef("--skip-check: %w", err)
	}
	return nil
}

var folderPattern = regexp.MustCompile(`^/[A-Za-z0-9._/-]+$`)

// CheckStateFolder refuses a state folder that units could not name, and one
// that is not Gravity's but has files by the names of Gravity's: they would be
// overwritten, and removed with it.
func CheckStateFolder(p paths.Paths) error {
	if !folderPattern.MatchString(p.Root) {
		return cli.Usagef("--state-dir: %q cannot be the state folder: use letters, digits, hyphens, underscores and dots", p.Root)
	}
	if p.Used() {
		return nil
	}
	for _, path := range p.Own() {
		if exists(path) {
			return cli.WithHint(cli.Usagef("--state-dir: %s is there, and not Gravity's", path), "choose an empty folder, or one that is not there yet")
		}
	}
	return nil
}

// AdvertiseAddress is the address of the interface that has the default route
// or, without one, the only address that is not on loopback.
func AdvertiseAddress() (netip.Addr, error) {
	addresses, err := hostAddresses()
	if err != nil {
		return netip.Addr{}, err
	}
	if address, ok := defaultAddress(); ok {
		return address, nil
	}
	if len(addresses) == 1 {
		return addresses[0], nil
	}
	return netip.Addr{}, cli.WithHint(cli.Usagef("this machine has %d addresses and no default route", len(addresses)),
		"choose the address that other nodes reach with --advertise-addr")
}

// Role picks the profile of the first node: the one asked for, or the only one,
// or the first that can be a master.
func Role(m *manifest.Manifest, asked string) (string, error) {
	if asked != "" {
		if _, ok := m.Profile(asked); !ok {
			return "", cli.WithHint(cli.Usagef("the application has no node profile %q", asked), "its profiles are: %s", strings.Join(profileNames(m), ", "))
		}
		return asked, nil
	}
	for _, profile := range m.NodeProfiles {
		if profile.ServiceRole != manifest.RoleNode {
			return profile.Name, nil
		}
	}
	return "", errors.New("the application has no node profile that can be a master")
}

func profileNames(m *manifest.Manifest) (names []string) {
	for _, profile := range m.NodeProfiles {
		names = append(names, profile.Name)
	}
	return names
}

func (s *Settings) encode() (json.RawMessage, error) { return json.Marshal(s) }

// HostName is the name of this machine.
func HostName() (string, error) { return os.Hostname() }

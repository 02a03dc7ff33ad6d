package preflight

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
)

// Defaults of what an installation can be told (S12).
const (
	DefaultStateDir  = "/var/lib/gravity"
	DefaultVXLANPort = 8472
)

// Networks of pods and services where none are asked for (S12).
var (
	DefaultPodNetwork     = netip.MustParsePrefix("10.244.0.0/16")
	DefaultServiceNetwork = netip.MustParsePrefix("10.100.0.0/16")
)

// Options say what is to be installed on which machine. Only Machine and
// Architecture are required; what is zero is the default.
type Options struct {
	// Machine is the machine to check.
	Machine *Machine
	// Architecture is Go's name of the one that the programs are for.
	Architecture string
	// Profile has the requirements of the node's role (S15).
	Profile manifest.NodeProfile
	// HairpinMode is the profile's (S114).
	HairpinMode manifest.HairpinMode
	// Network is the kind of network between pods: manifest.NetworkVXLAN,
	// manifest.NetworkHostGW or manifest.NetworkWireGuard (S115).
	Network string
	// AdvertiseAddress is the address that other nodes reach this one at; if it
	// is not valid, it is the one that packets for the default route get.
	AdvertiseAddress netip.Addr
	// DNSAddress is where the cluster's name server will listen; not valid for
	// none on the host.
	DNSAddress netip.Addr
	// StateDir is the directory of everything that is installed.
	StateDir string
	// TempDir is the directory for temporary files.
	TempDir string
	// PodNetwork and ServiceNetwork are the networks of pods and services.
	PodNetwork, ServiceNetwork netip.Prefix
	// VXLANPort is the port of VXLAN between nodes (UDP).
	VXLANPort int
	// Space is what the disk must hold.
	Space Space
	// Skip are names of checks to skip.
	Skip []string
	// Off skips all (S15).
	Off bool
}

func (o *Options) setDefaults() {
	if o.StateDir == "" {
		o.StateDir = DefaultStateDir
	}
	if o.TempDir == "" {
		o.TempDir = "/tmp"
	}
	if o.VXLANPort == 0 {
		o.VXLANPort = DefaultVXLANPort
	}
	if !o.PodNetwork.IsValid() {
		o.PodNetwork = DefaultPodNetwork
	}
	if !o.ServiceNetwork.IsValid() {
		o.ServiceNetwork = DefaultServiceNetwork
	}
	if o.Network == "" {
		o.Network = manifest.NetworkVXLAN
	}
}

// UnknownCheckError is a name to skip that no check has.
type UnknownCheckError struct {
	// Name is the name that was given.
	Name string
	// Known are the names of all checks.
	Known []string
}

func (e *UnknownCheckError) Error() string {
	return fmt.Sprintf("no check has the name %q; there are %s", e.Name, strings.Join(e.Known, ", "))
}

// Checks returns the checks for what is to be installed, in the order in which
// they are shown. The error is an *UnknownCheckError.
func Checks(options Options) ([]Check, error) {
	o := &options
	o.setDefaults()
	checks := slices.Concat(o.systemChecks(), o.kernelChecks(), o.networkChecks(), o.diskChecks(), o.customChecks())
	names := make([]string, len(checks))
	for i, check := range checks {
		names[i] = check.Name
	}
	for _, name := range o.Skip {
		i := slices.Index(names, name)
		if i < 0 {
			return nil, &UnknownCheckError{name, names}
		}
		checks[i].skipped = "by request"
	}
	if o.Off {
		for i := range checks {
			checks[i].skipped = "all checks are off"
		}
	}
	return checks, nil
}

func (o *Options) systemChecks() []Check {
	return []Check{
		{Name: "root", Level: LevelError, measure: o.checkRoot},
		{Name: "architecture", Level: LevelError, measure: o.checkArchitecture},
		{Name: "operating-system", Level: LevelError, measure: o.checkOperatingSystem},
		{Name: "systemd", Level: LevelError, measure: o.checkSystemd},
		{Name: "systemd-version", Level: LevelWarning, measure: o.checkSystemdVersion},
		{Name: "cpu", Level: LevelError, measure: o.checkCPU},
		{Name: "memory", Level: LevelError, measure: o.checkMemory},
		{Name: "swap", Level: LevelWarning, measure: o.checkSwap},
		{Name: "hostname", Level: LevelError, measure: o.checkHostname},
		{Name: "hostname-resolution", Level: LevelWarning, measure: o.checkHostnameResolution},
		{Name: "clock", Level: LevelWarning, measure: o.checkClock},
		{Name: "conflicting-processes", Level: LevelError, measure: o.checkProcesses},
		{Name: "kubernetes-leftovers", Level: LevelError, measure: o.checkLeftovers},
		{Name: "network-leftovers", Level: LevelError, measure: o.checkInterfaces},
		{Name: "selinux", Level: LevelWarning, measure: o.checkSELinux},
		{Name: "firewall", Level: LevelWarning, measure: o.checkFirewall},
	}
}

func (o *Options) kernelChecks() []Check {
	return []Check{
		{Name: "kernel-version", Level: LevelError, measure: o.checkKernelVersion},
		{Name: "kernel-modules", Level: LevelError, measure: o.checkModules},
		{Name: "wireguard-module", Level: LevelError, measure: o.checkWireGuard},
		{Name: "ebtables-module", Level: LevelError, measure: o.checkEbtables},
		{Name: "sysctl-forwarding", Level: LevelWarning, measure: o.checkForwarding},
		{Name: "sysctl-bridge-filter", Level: LevelWarning, measure: o.checkBridgeFilter},
		{Name: "sysctl-inotify", Level: LevelWarning, measure: o.checkInotify},
		{Name: "cgroup-version", Level: LevelWarning, measure: o.checkCgroupVersion},
		{Name: "cgroup-controllers", Level: LevelError, measure: o.checkControllers},
		{Name: "cgroup-mounts", Level: LevelError, measure: o.checkCgroupMounts},
	}
}

func (o *Options) networkChecks() []Check {
	return []Check{
		{Name: "ports", Level: LevelError, measure: o.checkPorts},
		{Name: "profile-ports", Level: LevelError, measure: o.checkProfilePorts},
		{Name: "advertise-address", Level: LevelError, measure: o.checkAdvertiseAddress},
		{Name: "advertise-route", Level: LevelWarning, measure: o.checkAdvertiseRoute},
		{Name: "network-overlap", Level: LevelError, measure: o.checkOverlap},
		{Name: "resolver", Level: LevelWarning, measure: o.checkResolver},
	}
}

func (o *Options) diskChecks() []Check {
	return []Check{
		{Name: "state-directory", Level: LevelError, measure: o.checkStateDir},
		{Name: "disk-entry-types", Level: LevelError, measure: o.checkEntryTypes},
		{Name: "disk-space", Level: LevelError, measure: o.checkSpace},
		{Name: "disk-inodes", Level: LevelError, measure: o.checkInodes},
		{Name: "disk-latency", Level: LevelWarning, alone: true, measure: o.checkLatency},
		{Name: "temp-directory", Level: LevelError, measure: o.checkTempDir},
		{Name: "volumes", Level: LevelError, measure: o.checkVolumes},
		{Name: "volume-speed", Level: LevelError, alone: true, limit: speedLimit, measure: o.checkVolumeSpeed},
		{Name: "devices", Level: LevelError, measure: o.checkDevices},
	}
}

package manifest

import (
	"cmp"
	"strings"
)

// SystemOptions configure the runtime. In a node profile they override the
// cluster's; what is empty there is inherited.
type SystemOptions struct {
	// Runtime is the Kubernetes runtime, in the original's words; baseImage is
	// the shorter way.
	Runtime Runtime `json:"runtime,omitzero"`
	// Docker configures the original's container runtime. It is kept and has
	// no effect: containers run under containerd.
	Docker Docker `json:"docker,omitzero"`
	// Kubelet configures the kubelet.
	Kubelet Kubelet `json:"kubelet,omitzero"`
	// Etcd configures etcd.
	Etcd Etcd `json:"etcd,omitzero"`
	// Args are arguments of the original's master container. They are kept
	// and have no effect.
	Args []string `json:"args,omitempty"`
	// BaseImage is the original's custom image of the master container. It is
	// kept and has no effect.
	BaseImage string `json:"baseImage,omitempty"`
	// Dependencies are packages of the runtime.
	Dependencies SystemDependencies `json:"dependencies,omitzero"`
	// AllowPrivileged allows privileged containers.
	AllowPrivileged bool `json:"allowPrivileged,omitempty"`
}

// Runtime names a Kubernetes runtime.
type Runtime struct {
	// Name is kubernetes, which is the default.
	Name string `json:"name,omitempty"`
	// Version is the version of Kubernetes. The default, 0.0.0+latest, leaves
	// the choice to the builder.
	Version Version `json:"version,omitempty"`
	// Repository is gravitational.io, which is the default.
	Repository string `json:"repository,omitempty"`
}

// Docker configures the original's container runtime.
type Docker struct {
	// StorageDriver is Docker's storage driver; overlay2 is the default.
	StorageDriver StorageDriver `json:"storageDriver,omitempty"`
	// Capacity is the size of the device for devicemapper; 2GB is the default.
	Capacity Capacity `json:"capacity,omitzero"`
	// Args are arguments of the Docker daemon.
	Args []string `json:"args,omitempty"`
}

// StorageDriver is one of Docker's storage drivers.
type StorageDriver string

// Values returns the storage drivers that the original supported.
func (StorageDriver) Values() []string { return []string{"devicemapper", "overlay", "overlay2"} }

// Kubelet configures the kubelet.
type Kubelet struct {
	// HairpinMode is how a pod reaches itself through its service (S114);
	// empty leaves it to the runtime.
	HairpinMode HairpinMode `json:"hairpinMode,omitempty"`
	// Args are flags of the kubelet, such as --eviction-hard=... (S110). A
	// flag replaces the default wholly.
	Args []string `json:"args,omitempty"`
}

// Flag is a flag of a program.
type Flag struct {
	// Name begins with dashes.
	Name string
	// Value is empty where the flag has none.
	Value string
}

// Flags are the flags in Args, without quotes around their values: no shell
// reads them, but the guide writes them (S110). What is not a flag is left out.
func (k Kubelet) Flags() []Flag {
	var flags []Flag
	for _, arg := range k.Args {
		name, value, _ := strings.Cut(arg, "=")
		if strings.HasPrefix(name, "--") {
			flags = append(flags, Flag{Name: name, Value: strings.Trim(value, `"'`)})
		}
	}
	return flags
}

// HairpinMode is how a pod reaches itself through its own service.
type HairpinMode string

// The hairpin modes.
const (
	HairpinPromiscuousBridge HairpinMode = "promiscuous-bridge"
	HairpinVeth              HairpinMode = "hairpin-veth"
	HairpinNone              HairpinMode = "none"
)

// Values returns the hairpin modes of the kubelet.
func (HairpinMode) Values() []string {
	return []string{string(HairpinPromiscuousBridge), string(HairpinVeth), string(HairpinNone)}
}

// Etcd configures etcd.
type Etcd struct {
	// Args are flags of etcd.
	Args []string `json:"args,omitempty"`
}

// SystemDependencies are packages of the runtime.
type SystemDependencies struct {
	// RuntimePackage is the original's package of the master container, as
	// REPOSITORY/NAME:VERSION. It is kept and has no effect.
	RuntimePackage Locator `json:"runtimePackage,omitzero"`
}

// VersionLatest is the version of a runtime that leaves the choice to the
// builder.
const VersionLatest Version = "0.0.0+latest"

// RuntimeVersion returns the version of Kubernetes that the manifest names by
// baseImage or systemOptions.runtime.version, or an empty one if the builder
// is to choose.
func (m *Manifest) RuntimeVersion() Version {
	version := cmp.Or(m.BaseImage.Version, m.SystemOptions.Runtime.Version)
	if version == VersionLatest {
		return ""
	}
	return version
}

// OptionsOf returns the system options of nodes of a profile: the profile's
// own, and the cluster's for what it leaves out. Arguments are not merged: the
// profile's replace the cluster's.
func (m *Manifest) OptionsOf(profile string) SystemOptions {
	options := m.SystemOptions
	own, found := m.Profile(profile)
	if !found || own.SystemOptions == nil {
		return options
	}
	p := own.SystemOptions
	options.Runtime.Name = cmp.Or(p.Runtime.Name, options.Runtime.Name)
	options.Runtime.Version = cmp.Or(p.Runtime.Version, options.Runtime.Version)
	options.Runtime.Repository = cmp.Or(p.Runtime.Repository, options.Runtime.Repository)
	options.Docker.StorageDriver = cmp.Or(p.Docker.StorageDriver, options.Docker.StorageDriver)
	options.Docker.Capacity = cmp.Or(p.Docker.Capacity, options.Docker.Capacity)
	options.Docker.Args = either(p.Docker.Args, options.Docker.Args)
	options.Kubelet.HairpinMode = cmp.Or(p.Kubelet.HairpinMode, options.Kubelet.HairpinMode)
	options.Kubelet.Args = either(p.Kubelet.Args, options.Kubelet.Args)
	options.Etcd.Args = either(p.Etcd.Args, options.Etcd.Args)
	options.Args = either(p.Args, options.Args)
	options.BaseImage = cmp.Or(p.BaseImage, options.BaseImage)
	options.Dependencies.RuntimePackage = cmp.Or(p.Dependencies.RuntimePackage, options.Dependencies.RuntimePackage)
	options.AllowPrivileged = p.AllowPrivileged || options.AllowPrivileged
	return options
}

func either(first, second []string) []string {
	if len(first) > 0 {
		return first
	}
	return second
}

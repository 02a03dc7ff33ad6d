// Package kubeadm makes the configuration of kubeadm, the kubelet and
// kube-proxy, and runs the kubeadm of the node's runtime inside the master
// container: certificates, control plane, etcd and bootstrap tokens are its
// work (S66).
package kubeadm

import (
	"bytes"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
)

// Endpoint is where every node reaches the API servers: the balancer on its own
// loopback address. Certificates and kubeconfigs carry it from the first day,
// so it never changes.
var Endpoint = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 6444)

// APIServerPort is where the API server of a master listens.
const APIServerPort = 6443

// Names are those by which API servers are called besides kubeadm's.
var Names = []string{"leader.telekube.local", "leader.gravity.local", "localhost"}

const criSocket = "unix:///run/containerd/containerd.sock"

// Config is what a node's kubeadm needs to know.
type Config struct {
	// Cluster is the cluster's name.
	Cluster string
	// Node is the node's name in Kubernetes, Address how others reach it.
	Node    string
	Address netip.Addr
	// Version is that of Kubernetes, without a leading v.
	Version string
	// PodNetwork and ServiceNetwork are CIDRs.
	PodNetwork, ServiceNetwork netip.Prefix
	// Taints are those of the node's profile.
	Taints []manifest.Taint
	// Options are those of the node's profile.
	Options manifest.SystemOptions
	// FeatureGates are for all components.
	FeatureGates map[string]bool
	// NodePorts is the range of node ports; empty for Kubernetes' own.
	NodePorts string
	// Kubelet has fields of KubeletConfiguration, which count more than the
	// profile's; mappings are merged.
	Kubelet map[string]any
	// Environment is for etcd and the control plane. It may have secrets.
	Environment map[string]string
	// CertificateLifetime is how long certificates are good; zero means a year.
	CertificateLifetime time.Duration
	// HostConntrack leaves the limits of connection tracking as the host has
	// them: a network namespace may not set them.
	HostConntrack bool
}

type object = map[string]any

// Init is the configuration of kubeadm init: YAML without secrets. With again,
// what an earlier kubeadm left does not stop this one.
func (c *Config) Init(again bool) ([]byte, error) {
	registration, err := c.registration()
	if err != nil {
		return nil, err
	}
	if again {
		registration["ignorePreflightErrors"] = []string{"all"}
	}
	return documents(
		object{
			"apiVersion": apiVersion, "kind": "InitConfiguration",
			"localAPIEndpoint": c.endpoint(),
			"nodeRegistration": registration,
			"patches":          object{"directory": patchFolder},
		},
		c.cluster(),
		c.kubelet(),
		c.proxy(),
	)
}

const apiVersion = "kubeadm.k8s.io/v1beta4"

// endpoint is where the node's API server listens.
func (c *Config) endpoint() object {
	return object{"advertiseAddress": c.Address.String(), "bindPort": APIServerPort}
}

// documents writes YAML documents.
func documents(list ...object) ([]byte, error) {
	var text bytes.Buffer
	for i, document := range list {
		content, err := yaml.Marshal(document)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			text.WriteString("---\n")
		}
		text.Write(content)
	}
	return text.Bytes(), nil
}

// ignored are kubeadm's checks that gravity's own stand in for: they fail on
// cgroup v1, on small machines and where modules are built in.
var ignored = []string{
	"SystemVerification", "Swap", "NumCPU", "Mem", "FileContent--proc-sys-net-bridge-bridge-nf-call-iptables", "Hostname",
}

func (c *Config) registration() (object, error) {
	settings, err := ParseKubeletFlags(c.Options.Kubelet.Flags())
	if err != nil {
		return nil, err
	}
	arguments := map[string]string{"node-ip": c.Address.String()}
	maps.Copy(arguments, settings.Rest)
	taints := make([]object, 0, len(c.Taints))
	for _, taint := range Taints(c.Taints) {
		taints = append(taints, object{"key": taint.Key, "value": taint.Value, "effect": string(taint.Effect)})
	}
	return object{
		"name": c.Node, "criSocket": criSocket, "imagePullSerial": false, "imagePullPolicy": "IfNotPresent",
		// An empty list, unlike none, lets applications run on masters.
		"taints":                taints,
		"kubeletExtraArgs":      extraArguments(arguments),
		"ignorePreflightErrors": ignored,
	}, nil
}

// Taints adds today's name of the master's taint where the old one is (S112).
func Taints(of []manifest.Taint) []manifest.Taint {
	taints := slices.Clone(of)
	for _, taint := range of {
		if taint.Key != manifest.LabelMaster {
			continue
		}
		taint.Key = manifest.LabelControlPlane
		if !slices.Contains(taints, taint) {
			taints = append(taints, taint)
		}
	}
	return taints
}

func (c *Config) cluster() object {
	names := append(slices.Clone(Names), c.Address.String())
	gates := c.gates()
	component := func(more map[string]string) object {
		if gates != "" {
			more["feature-gates"] = gates
		}
		return object{"extraArgs": extraArguments(more)}
	}
	arguments := map[string]string{}
	if c.NodePorts != "" {
		arguments["service-node-port-range"] = c.NodePorts
	}
	server := component(arguments)
	server["certSANs"] = names
	manager := map[string]string{}
	if c.CertificateLifetime > 0 {
		manager["cluster-signing-duration"] = c.CertificateLifetime.String()
	}
	configuration := object{
		"apiVersion": apiVersion, "kind": "ClusterConfiguration",
		"clusterName":          c.Cluster,
		"kubernetesVersion":    "v" + c.Version,
		"controlPlaneEndpoint": Endpoint.String(),
		"networking": object{
			"podSubnet": c.PodNetwork.String(), "serviceSubnet": c.ServiceNetwork.String(), "dnsDomain": "cluster.local",
		},
		"apiServer":         server,
		"controllerManager": component(manager),
		"scheduler":         component(map[string]string{}),
		"etcd":              object{"local": object{"dataDir": "/var/lib/etcd", "extraArgs": extraArguments(flagMap(c.Options.Etcd.Args))}},
	}
	if c.CertificateLifetime > 0 {
		configuration["certificateValidityPeriod"] = c.CertificateLifetime.String()
	}
	return configuration
}

// kubelet is the configuration that all nodes share; what a profile changes is
// in Patch.
func (c *Config) kubelet() object {
	threshold := func(value string) object {
		return object{
			"nodefs.available": value, "nodefs.inodesFree": value, "imagefs.available": value, "imagefs.inodesFree": value,
		}
	}
	configuration := object{
		"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
		// containerd's cgroups are not systemd's, and old hosts have cgroup v1.
		"cgroupDriver": "cgroupfs", "failCgroupV1": false, "failSwapOn": false,
		"evictionHard": threshold("5%"), "evictionSoft": threshold("10%"), "evictionSoftGracePeriod": threshold("1h0m0s"),
		"rotateCertificates": true, "serializeImagePulls": false,
	}
	if len(c.FeatureGates) > 0 {
		configuration["featureGates"] = c.FeatureGates
	}
	return configuration
}

// Patch is what the node's profile and the site change in the kubelet's
// configuration: a merge patch.
func (c *Config) Patch() ([]byte, error) {
	settings, err := ParseKubeletFlags(c.Options.Kubelet.Flags())
	if err != nil {
		return nil, err
	}
	patch := object{"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration"}
	if mode := c.Options.Kubelet.HairpinMode; mode != "" {
		patch["hairpinMode"] = string(mode)
	}
	maps.Copy(patch, settings.Fields)
	// A flag replaces a default wholly: what it does not name is removed.
	defaults := c.kubelet()
	for name := range settings.Fields {
		if value, ok := patch[name].(object); ok {
			patch[name] = replaceAll(defaults[name], value)
		}
	}
	merge(patch, c.Kubelet)
	if value, ok := patch["evictionSoft"].(object); ok && patch["evictionSoftGracePeriod"] == nil {
		// The kubelet refuses a period without its threshold, and the reverse.
		periods := object{}
		for signal, threshold := range value {
			if periods[signal] = any("1h0m0s"); threshold == nil {
				periods[signal] = nil
			}
		}
		patch["evictionSoftGracePeriod"] = periods
	}
	return yaml.Marshal(patch)
}

// replaceAll is a merge patch that leaves nothing of a mapping but the wanted.
func replaceAll(old any, wanted object) object {
	patch := object{}
	if old, ok := old.(object); ok {
		for key := range old {
			patch[key] = nil
		}
	}
	maps.Copy(patch, wanted)
	return patch
}

func (c *Config) proxy() object {
	configuration := object{
		"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
		"mode": "nftables", "clusterCIDR": c.PodNetwork.String(),
	}
	if c.HostConntrack {
		configuration["conntrack"] = object{"maxPerCore": 0, "min": 0}
	}
	if len(c.FeatureGates) > 0 {
		configuration["featureGates"] = c.FeatureGates
	}
	return configuration
}

func (c *Config) gates() string {
	var gates []string
	for _, name := range slices.Sorted(maps.Keys(c.FeatureGates)) {
		gates = append(gates, fmt.Sprintf("%s=%t", name, c.FeatureGates[name]))
	}
	return strings.Join(gates, ",")
}

// extraArguments is a list of flags as kubeadm wants it.
func extraArguments(arguments map[string]string) []object {
	list := make([]object, 0, len(arguments))
	for _, name := range slices.Sorted(maps.Keys(arguments)) {
		list = append(list, object{"name": name, "value": arguments[name]})
	}
	return list
}

// flagMap reads flags of a program; those without a value are true.
func flagMap(args []string) map[string]string {
	flags := make(map[string]string)
	for _, arg := range args {
		name, value, ok := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if !ok {
			value = "true"
		}
		flags[name] = strings.Trim(value, `"'`)
	}
	return flags
}

package resource

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	utilnet "k8s.io/apimachinery/pkg/util/net"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// Configuration is a ClusterConfiguration (S98). What is not given is empty.
type Configuration struct {
	// PodNetwork and ServiceNetwork are those of podCIDR and serviceCIDR.
	PodNetwork, ServiceNetwork netip.Prefix
	// NodePorts is serviceNodePortRange: BEGIN-END, BEGIN+OFFSET or one port.
	NodePorts string
	// FeatureGates are for all components.
	FeatureGates map[string]bool
	// CloudProvider is only recorded.
	CloudProvider string
	// Kubelet has the fields of KubeletConfiguration that may be set.
	Kubelet map[string]any
	// KubeletLines has the lines of Kubelet's fields in the file, by their paths,
	// such as evictionHard.memory.available.
	KubeletLines map[string]int
}

// misspelt is what the original's schema called proxyPortRange.
const misspelt = "poxyPortRange"

func readConfiguration(document *yaml.Node, notes *notes) Configuration {
	var c Configuration
	fields := notes.known(spec(document), "spec", "global", "kubelet")
	if global, ok := fields["global"]; ok {
		c.readGlobal(global.value, notes)
	}
	if kubelet, ok := fields["kubelet"]; ok {
		if config, ok := notes.known(kubelet.value, "spec.kubelet", "config")["config"]; ok {
			c.readKubelet(config.value, notes)
		}
	}
	return c
}

const global = "spec.global"

func (c *Configuration) readGlobal(node *yaml.Node, notes *notes) {
	for _, entry := range notes.fieldsOf(node, global) {
		if entry.key.Value == misspelt {
			notes.warnf(entry.key, "%s.%s is called proxyPortRange", global, misspelt)
			entry.key.Value = "proxyPortRange"
		}
	}
	names := []string{
		"cloudProvider", "cloudConfig", "serviceCIDR", "serviceNodePortRange", "proxyPortRange", "podCIDR", "featureGates",
	}
	fields := notes.known(node, global, names...)
	for _, name := range names {
		entry, ok := fields[name]
		if !ok {
			continue
		}
		if name == "featureGates" {
			c.readGates(entry, notes)
		} else if value, ok := notes.text(entry, global+"."+name); ok {
			c.setGlobal(entry, value, notes)
		}
	}
}

func (c *Configuration) setGlobal(entry field, value string, notes *notes) {
	switch name := entry.key.Value; name {
	case "podCIDR":
		c.PodNetwork = network(entry, value, notes)
	case "serviceCIDR":
		c.ServiceNetwork = network(entry, value, notes)
	case "serviceNodePortRange":
		ports, err := utilnet.ParsePortRange(value)
		if err != nil || ports.Size == 0 || ports.Base < 1 {
			notes.fail(entry.value, cli.WithHint(fmt.Errorf("%s.%s: %.64q is no range of ports", global, name, value), "write BEGIN-END, such as 30000-32767"))
			return
		}
		c.NodePorts = value
	case "cloudProvider":
		c.CloudProvider = value
		notes.warnf(entry.key, "%s.%s is recorded and has no other effect: Kubernetes has no cloud providers of its own", global, name)
	case "cloudConfig":
		notes.warnf(entry.key, "%s.%s is recorded and has no other effect", global, name)
	case "proxyPortRange":
		notes.warnf(entry.key, "%s.%s has no effect: kube-proxy takes no ports of its own", global, name)
	}
}

func network(entry field, value string, notes *notes) netip.Prefix {
	name := entry.key.Value
	prefix, err := netip.ParsePrefix(value)
	if err != nil {
		notes.fail(entry.value, cli.WithHint(fmt.Errorf("%s.%s: %.64q is no network", global, name, value), "write it as 10.244.0.0/16"))
		return netip.Prefix{}
	}
	if prefix != prefix.Masked() {
		notes.failf(entry.value, "%s.%s: %s is not the address of a network, %s is", global, name, prefix, prefix.Masked())
	}
	return prefix
}

func (c *Configuration) readGates(entry field, notes *notes) {
	c.FeatureGates = make(map[string]bool)
	for _, gate := range notes.fieldsOf(entry.value, global+".featureGates") {
		name := gate.key.Value
		var on bool
		if !variablePattern.MatchString(name) {
			notes.failf(gate.key, "%s.featureGates: %.64q is no name of a feature gate", global, name)
			continue
		}
		if gate.value.Tag != "!!bool" || gate.value.Decode(&on) != nil {
			notes.failf(gate.value, "%s.featureGates.%s is neither true nor false", global, name)
			continue
		}
		c.FeatureGates[name] = on
	}
}

// protected are fields of KubeletConfiguration by which Gravity and Kubernetes
// reach a kubelet, or which belong to its container. Those that Gravity's
// predecessor protected are the first 13.
var protected = []string{
	"address", "port", "makeIPTablesUtilChains", "healthzBindAddress", "healthzPort", "clusterDomain",
	"tlsCertFile", "tlsPrivateKeyFile", "tlsCipherSuites", "tlsMinVersion", "authentication", "authorization", "readOnlyPort",
	"cgroupDriver", "staticPodPath", "containerRuntimeEndpoint", "clusterDNS",
}

const (
	kubeletVersion = "kubelet.config.k8s.io/v1beta1"
	kubeletKind    = "KubeletConfiguration"
)

func (c *Configuration) readKubelet(node *yaml.Node, notes *notes) {
	const path = "spec.kubelet.config"
	c.Kubelet, c.KubeletLines = make(map[string]any), make(map[string]int)
	for _, entry := range notes.fieldsOf(node, path) {
		name := entry.key.Value
		if want := map[string]string{"kind": kubeletKind, "apiVersion": kubeletVersion}[name]; want != "" {
			if entry.value.Value != want {
				notes.failf(entry.value, "%s.%s is not %s", path, name, want)
			}
			continue
		}
		if slices.Contains(protected, name) {
			notes.warnf(entry.key, "%s.%s has no effect: it is the cluster's to set", path, name)
			continue
		}
		var value any
		if err := entry.value.Decode(&value); err != nil {
			notes.fail(entry.value, plain(err))
			continue
		}
		c.Kubelet[name] = value
		c.lines(entry, "")
	}
}

// lines notes where the fields of a mapping are.
func (c *Configuration) lines(entry field, above string) {
	path := above + entry.key.Value
	c.KubeletLines[path] = entry.key.Line
	if entry.value.Kind != yaml.MappingNode || strings.Count(path, ".") > 8 {
		return
	}
	for i := 0; i+1 < len(entry.value.Content); i += 2 {
		c.lines(field{entry.value.Content[i], entry.value.Content[i+1]}, path+".")
	}
}

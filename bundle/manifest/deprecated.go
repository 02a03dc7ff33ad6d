package manifest

import (
	"fmt"
	"slices"
)

// deprecated warns about what the original took and today's Kubernetes has no, or
// another, use for. All of it stays in the manifest.
func (c checks) deprecated() {
	c.deprecatedOptions("systemOptions", c.m.SystemOptions)
	for i, profile := range c.m.NodeProfiles {
		if profile.SystemOptions != nil {
			c.deprecatedOptions(item("nodeProfiles", i)+".systemOptions", *profile.SystemOptions)
		}
	}
	c.deprecatedProviders()
	c.deprecatedExtensions()
}

func (c checks) deprecatedOptions(path string, options SystemOptions) {
	const docker = "remove it: containers run under containerd, with its overlayfs snapshotter"
	for _, field := range []string{".docker.storageDriver", ".docker.capacity", ".docker.args"} {
		c.noEffect(path+field, docker)
	}
	c.noEffect(path+".args", "remove them: there is no program that takes the original's arguments of the master container")
	c.noEffect(path+".baseImage", "remove it: the runtime is chosen by baseImage at the top of the manifest")
	c.noEffect(path+".dependencies.runtimePackage", "remove it: the runtime is chosen by baseImage at the top of the manifest")
	c.kubeletArgs(path+".kubelet.args", options.Kubelet.Args)
}

func (c checks) noEffect(path, hint string) {
	if c.has(path) {
		c.warnAt(path, hint, "is kept and has no effect")
	}
}

// otherNetworks are networks that the runtime does not have by this name, with
// what to know about them.
var otherNetworks = map[string]string{
	"calico":  "the runtime has flannel",
	"flannel": "it is what vxlan means",
}

func (c checks) deprecatedProviders() {
	providers := c.m.Providers
	for _, name := range []string{"aws", "azure"} {
		if path := "providers." + name; c.has(path) {
			c.warnAt(path, "add a cloud controller manager to the application if it needs volumes or balancers of the cloud",
				"is kept for provisioning; Kubernetes has no cloud providers of its own any more")
		}
	}
	const path = "providers.generic.network.type"
	network := providers.Generic.Network.Type
	known := []string{NetworkVXLAN, NetworkHostGW, NetworkWireGuard}
	if slices.Contains(known, network) {
		return
	}
	hint := fmt.Sprintf("write %s, or %s for an encrypted network", NetworkVXLAN, NetworkWireGuard)
	why := otherNetworks[network]
	if why == "" {
		why = "known are vxlan, host-gw and wireguard"
		if best := Closest(network, known); best != "" {
			hint = fmt.Sprintf("did you mean %q?", best)
		}
	}
	c.warnAt(path, hint, "the network %s is read as vxlan: %s", quote(network), why)
}

func (c checks) deprecatedExtensions() {
	c.noEffect("extensions.catalog", "remove it: there is no Tiller any more, hooks have the helm command")
	if c.has("extensions.encryption") {
		c.warnAt("extensions.encryption", "remove it, and sign or encrypt the bundle instead",
			"is kept and has no effect; whoever has the manifest can read the key")
	}
	if c.m.Ingress != nil && c.m.Ingress.Nginx.Enabled {
		c.warnAt("ingress.nginx.enabled", "add its chart to the application",
			"is kept and has no effect: the runtime has no ingress controller")
	}
	if c.m.Storage != nil && c.m.Storage.OpenEBS.Enabled {
		c.warnAt("storage.openebs.enabled", "add its chart to the application",
			"is kept and has no effect: the runtime does not have OpenEBS")
	}
}

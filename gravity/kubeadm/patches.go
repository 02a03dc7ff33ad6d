package kubeadm

import (
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// Patches are kubeadm's patches for this node, by their paths in
// /etc/kubernetes. The environment is in them and not in kubeadm's own
// configuration, which kubeadm keeps in a ConfigMap for all nodes to read, and
// which would give the exemptions of one node's proxy to all.
func (c *Config) Patches() (map[string][]byte, error) {
	kubelet, err := c.Patch()
	if err != nil {
		return nil, err
	}
	patches := map[string][]byte{"patches/" + patchName: kubelet}
	if len(c.Environment) == 0 {
		return patches, nil
	}
	for _, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		patch, err := yaml.Marshal(object{"spec": object{"containers": []object{{"name": name, "env": c.variables()}}}})
		if err != nil {
			return nil, err
		}
		patches["patches/"+name+"0+strategic.yaml"] = patch
	}
	return patches, nil
}

// variables are the environment as a container has it, where a dollar sign may
// begin a reference to another variable.
func (c *Config) variables() []object {
	list := make([]object, 0, len(c.Environment))
	for _, name := range slices.Sorted(maps.Keys(c.Environment)) {
		list = append(list, object{"name": name, "value": strings.ReplaceAll(c.Environment[name], "$", "$$")})
	}
	return list
}

// unset keeps proxies from kubeadm itself, which needs none, and would print
// them to its log and give them to kube-proxy's DaemonSet.
func (c *Config) unset() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(c.Environment)) {
		if strings.HasSuffix(strings.ToLower(name), "_proxy") {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []string{"--property=UnsetEnvironment=" + strings.Join(names, " ")}
}

// merge changes a mapping by another one, field by field.
func merge(into, from object) {
	for key, value := range from {
		below, ok := value.(object)
		old, both := into[key].(object)
		if !ok || !both {
			into[key] = value
			continue
		}
		merged := maps.Clone(old) // not the caller's
		merge(merged, below)
		into[key] = merged
	}
}

package manifest

import (
	"slices"
	"strings"
)

// kubeletRemoved are flags that kubelets of today do not have; they would not
// start with them.
var kubeletRemoved = []string{
	"--allow-privileged", "--cadvisor-port", "--cni-bin-dir", "--cni-cache-dir", "--cni-conf-dir",
	"--container-runtime", "--docker", "--docker-endpoint", "--docker-exec-handler", "--enable-controller-attach-detach",
	"--experimental-bootstrap-kubeconfig", "--image-pull-progress-deadline", "--keep-terminated-pod-volumes",
	"--master-service-namespace", "--network-plugin", "--network-plugin-mtu", "--non-masquerade-cidr",
	"--pod-infra-container-image", "--redirect-container-streaming", "--require-kubeconfig",
	"--experimental-dockershim", "--experimental-dockershim-root-directory",
}

// kubeletProtected are flags that Gravity sets itself.
var kubeletProtected = []string{
	"--address", "--port", "--read-only-port", "--healthz-bind-address", "--healthz-port", "--cluster-domain",
	"--make-iptables-util-chains", "--anonymous-auth", "--authentication-token-webhook", "--authorization-mode",
	"--client-ca-file", "--tls-cert-file", "--tls-private-key-file", "--tls-cipher-suites", "--tls-min-version",
	"--config", "--kubeconfig", "--bootstrap-kubeconfig", "--container-runtime-endpoint", "--node-ip",
}

// kubeletArgs warns about flags of the kubelet that will not do what they did.
// Others become fields of its configuration file (S110).
func (c checks) kubeletArgs(path string, args []string) {
	for i, arg := range args {
		at := item(path, i)
		name, value, _ := strings.Cut(arg, "=")
		switch {
		case !strings.HasPrefix(arg, "--"):
			c.warnAt(at, "write --NAME=VALUE, one flag in each item", "%s is not a flag", quote(arg))
		case strings.Count(value, `"`)%2 != 0 || strings.Count(value, `'`)%2 != 0:
			c.warnAt(at, "remove the quote: there is no shell that would need it",
				"%s has a quote without another; it is read without quotes", quote(name))
		case slices.Contains(kubeletRemoved, name):
			c.warnAt(at, "remove it", "the kubelet has no flag %s any more; it is kept and has no effect", name)
		case slices.Contains(kubeletProtected, name):
			c.warnAt(at, "remove it", "%s is set by Gravity; it is kept and has no effect", name)
		case name == "--cloud-provider" || name == "--cloud-config":
			c.warnAt(at, "remove it, and add a cloud controller manager to the application if it needs one",
				"%s is recorded; the kubelet gets external if the bundle has a cloud controller manager, else nothing", name)
		case name == "--feature-gates":
			c.warnAt(at, "remove gates that are in every Kubernetes of today",
				"feature gates are checked against the Kubernetes that will run; an unknown one stops the kubelet")
		}
	}
}

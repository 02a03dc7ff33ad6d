package kubeadm

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"sigs.k8s.io/yaml"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// Where kubeadm reads what has secrets: in memory, inside the container.
const (
	joinFile      = "/run/gravity-join.yaml"
	discoveryFile = "/run/gravity-discovery.yaml"
)

// Credentials are what lets a node join Kubernetes.
type Credentials struct {
	// Token is a bootstrap token of Kubernetes.
	Token string `json:"token"`
	// Authority is the certificate of Kubernetes' authority: PEM.
	Authority []byte `json:"authority"`
}

// PKI are the files below /etc/kubernetes/pki that all masters have in common.
var PKI = []string{
	"ca.crt", "ca.key", "sa.key", "sa.pub", "front-proxy-ca.crt", "front-proxy-ca.key", "etcd/ca.crt", "etcd/ca.key",
}

// joinConfig is the configuration of kubeadm join: YAML without secrets.
func (c *Config) joinConfig(master, again bool) ([]byte, error) {
	registration, err := c.registration()
	if err != nil {
		return nil, err
	}
	if again {
		registration["ignorePreflightErrors"] = []string{"all"}
	}
	configuration := object{
		"apiVersion": apiVersion, "kind": "JoinConfiguration",
		"nodeRegistration": registration,
		"patches":          object{"directory": patchFolder},
		"discovery":        object{"file": object{"kubeConfigPath": discoveryFile}},
	}
	if master {
		// The authorities are there already, so that no certificate key is needed.
		configuration["controlPlane"] = object{"localAPIEndpoint": c.endpoint()}
	}
	return documents(configuration)
}

// discovery is a kubeconfig that leads to the cluster by the balancer.
func (c *Credentials) discovery() ([]byte, error) {
	return yaml.Marshal(object{
		"apiVersion": "v1", "kind": "Config", "current-context": "join",
		"clusters": []object{{"name": "join", "cluster": object{
			"server": "https://" + Endpoint.String(), "certificate-authority-data": c.Authority,
		}}},
		"users":    []object{{"name": "join", "user": object{"token": c.Token}}},
		"contexts": []object{{"name": "join", "context": object{"cluster": "join", "user": "join"}}},
	})
}

// Begun tells whether this node has begun to join Kubernetes.
func Begun(p paths.Paths) bool { return exists(p.KubernetesFile("joining")) }

// Join makes this node a part of the cluster, by kubeadm join. It may be called
// again after it was interrupted; before, forget must have removed the node
// from Kubernetes if it is there, since kubeadm refuses one that is ready. The
// log receives what kubeadm prints, which has no secrets.
func Join(ctx context.Context, p paths.Paths, in executor, config *Config, master bool, credentials *Credentials,
	forget func(context.Context) error, log io.Writer,
) error {
	if Initialized(p) {
		return nil
	}
	begun := p.KubernetesFile("joining")
	again := Begun(p)
	if again {
		// A kubelet would register the node again.
		if _, err := in.Exec(ctx, container.Command{Args: []string{"systemctl", "stop", unit, "kubelet"}}); err != nil {
			if _, err := in.Exec(ctx, container.Command{Args: []string{"systemctl", "stop", "kubelet"}}); err != nil {
				return fmt.Errorf("stop an earlier kubelet: %w", err)
			}
		}
		if err := forget(ctx); err != nil {
			return err
		}
	}
	if err := paths.WriteFile(begun, nil, 0o600); err != nil {
		return err
	}
	patches, err := config.Patches()
	if err != nil {
		return err
	}
	for name, content := range patches {
		if err := paths.WriteFile(p.KubernetesFile(name), content, 0o600); err != nil {
			return err
		}
	}
	configuration, err := config.joinConfig(master, again)
	if err != nil {
		return err
	}
	discovery, err := credentials.discovery()
	if err != nil {
		return err
	}
	for path, content := range map[string][]byte{joinFile: configuration, discoveryFile: discovery} {
		command := container.Command{Args: []string{"sh", "-c", "umask 077; cat >" + path}, Stdin: bytes.NewReader(content)}
		if _, err := in.Exec(ctx, command); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	err = run(ctx, in, config, log, "join", "--config", joinFile)
	if _, removeErr := in.Exec(ctx, container.Command{Args: []string{"rm", "-f", joinFile, discoveryFile}}); err == nil {
		err = removeErr
	}
	if err != nil {
		return fmt.Errorf("join Kubernetes: %w", err)
	}
	return markInitialized(p, config)
}

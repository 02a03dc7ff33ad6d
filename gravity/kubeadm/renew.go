package kubeadm

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
)

// renewFile is where kubeadm reads how long certificates are to be good.
const renewFile = "/run/gravity-renew.yaml"

// renewConfig is the configuration of kubeadm certs renew. Everything that kubeadm
// would ask the cluster or the machine for is in it, since neither may answer.
func renewConfig(n *node.Node) ([]byte, error) {
	configuration := object{
		"apiVersion": apiVersion, "kind": "ClusterConfiguration", "clusterName": n.Cluster,
		"kubernetesVersion": "v" + n.Runtime, "controlPlaneEndpoint": Endpoint.String(),
	}
	if n.CertificateLifetime > 0 {
		configuration["certificateValidityPeriod"] = n.CertificateLifetime.String()
	}
	return documents(
		object{
			"apiVersion": apiVersion, "kind": "InitConfiguration",
			"localAPIEndpoint": object{"advertiseAddress": n.Address.String(), "bindPort": APIServerPort},
			"nodeRegistration": object{"name": n.Name, "criSocket": criSocket},
		},
		configuration,
	)
}

// Renew renews all certificates that kubeadm has made on a master, but those of
// authorities. It fails if kubeadm is at work.
func Renew(ctx context.Context, in executor, n *node.Node, log io.Writer) error {
	if _, err := in.Exec(ctx, container.Command{Args: []string{"systemctl", "is-active", "--quiet", unit}}); err == nil {
		return fmt.Errorf("renew certificates: kubeadm is at work")
	}
	content, err := renewConfig(n)
	if err != nil {
		return err
	}
	command := container.Command{Args: []string{"sh", "-c", "umask 077; cat >" + renewFile}, Stdin: bytes.NewReader(content)}
	if _, err := in.Exec(ctx, command); err != nil {
		return fmt.Errorf("write %s: %w", renewFile, err)
	}
	if err := run(ctx, in, &Config{}, log, "certs", "renew", "all", "--config", renewFile); err != nil {
		return fmt.Errorf("renew certificates: %w", err)
	}
	return nil
}

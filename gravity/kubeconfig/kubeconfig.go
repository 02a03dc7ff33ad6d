// Package kubeconfig lets people and programs into the cluster's Kubernetes API
// for a time: it has the cluster sign a certificate, and writes a kubeconfig that
// leads to the masters themselves. The node's own leads to its balancer, which
// nobody else reaches.
package kubeconfig

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kubeadm"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

const (
	// DefaultUser is who a kubeconfig is for, if nobody says.
	DefaultUser = "gravity-admin"
	// DefaultGroup may do everything; kubeadm binds it to cluster-admin.
	DefaultGroup = "kubeadm:cluster-admins"
	// MinLife and MaxLife bound how long a certificate is good: what the
	// cluster's signer accepts.
	MinLife = 10 * time.Minute
	MaxLife = 365 * 24 * time.Hour
)

// Request says who a kubeconfig is for.
type Request struct {
	User   string
	Groups []string
	// Life is how long it is good.
	Life time.Duration
}

// Check refuses what no cluster would sign.
func (r Request) Check() error {
	switch {
	case r.User == "":
		return errors.New("a user needs a name")
	case r.Life < MinLife || r.Life > MaxLife:
		return fmt.Errorf("a kubeconfig is good for %s to %s, not for %s", MinLife, MaxLife, r.Life)
	}
	if slices.Contains(r.Groups, "system:masters") {
		return cli.WithHint(errors.New("no certificate is signed for the group system:masters, whose rights nobody could take away"),
			"the group %s has the same rights", DefaultGroup)
	}
	return nil
}

// Make makes a kubeconfig, on a master.
func Make(ctx context.Context, p paths.Paths, request Request) (*report.Kubeconfig, error) {
	if err := request.Check(); err != nil {
		return nil, err
	}
	self, err := node.Read(p)
	if err != nil {
		return nil, err
	}
	file := p.KubernetesFile("admin.conf")
	admin, err := clientcmd.LoadFromFile(file)
	if err != nil {
		return nil, cli.WithHint(fmt.Errorf("this machine is no master of a cluster: %w", err), "run it on a master, as root")
	}
	client, err := kube.Open(file)
	if err != nil {
		return nil, err
	}
	masters, err := listMasters(ctx, client, self)
	if err != nil {
		return nil, err
	}
	signed, err := sign(ctx, client, request)
	if err != nil {
		return nil, fmt.Errorf("certificate of user %s: %w", request.User, err)
	}
	made := &report.Kubeconfig{
		Cluster: self.Cluster, User: request.User, Groups: append([]string{}, request.Groups...), Expires: signed.expires,
		CertificateAuthority: string(authority(admin)), ClientCertificate: string(signed.certificate), ClientKey: string(signed.key),
	}
	for _, m := range masters {
		made.Servers = append(made.Servers, m.url())
	}
	made.Kubeconfig, err = write(made, masters)
	return made, err
}

// master is where an API server is.
type master struct {
	name    string
	address netip.Addr
}

func (m master) url() string {
	return "https://" + netip.AddrPortFrom(m.address, kubeadm.APIServerPort).String()
}

// listMasters lists the masters, this one first and the others by their names.
func listMasters(ctx context.Context, client *kube.Client, self *node.Node) ([]master, error) {
	list, err := client.Resource(kube.Nodes, "").List(ctx, metav1.ListOptions{LabelSelector: "node-role.kubernetes.io/control-plane"})
	if err != nil {
		return nil, fmt.Errorf("list the masters: %w", err)
	}
	found := []master{{self.Name, self.Address}}
	for i := range list.Items {
		item := &list.Items[i]
		address, err := netip.ParseAddr(item.GetLabels()[kube.LabelAddress])
		if err != nil || item.GetName() == self.Name {
			continue // one that joins has no address yet
		}
		found = append(found, master{item.GetName(), address})
	}
	slices.SortFunc(found[1:], func(a, b master) int { return cmp.Compare(a.name, b.name) })
	return found, nil
}

// authority is the certificate by which clients know the API servers.
func authority(config *clientcmdapi.Config) []byte {
	if current := config.Contexts[config.CurrentContext]; current != nil {
		if cluster := config.Clusters[current.Cluster]; cluster != nil {
			return cluster.CertificateAuthorityData
		}
	}
	return nil
}

// write is the file: its context in use is the cluster's name, with the first
// master, and each master has one with its own name added.
func write(made *report.Kubeconfig, masters []master) (string, error) {
	config := clientcmdapi.NewConfig()
	config.AuthInfos[made.User] = &clientcmdapi.AuthInfo{
		ClientCertificateData: []byte(made.ClientCertificate), ClientKeyData: []byte(made.ClientKey),
	}
	add := func(name string, m master) {
		config.Clusters[name] = &clientcmdapi.Cluster{Server: m.url(), CertificateAuthorityData: []byte(made.CertificateAuthority)}
		config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: made.User}
	}
	for _, m := range masters {
		add(made.Cluster+"-"+m.name, m)
	}
	add(made.Cluster, masters[0])
	config.CurrentContext = made.Cluster
	content, err := clientcmd.Write(*config)
	return string(content), err
}

package kubeadm

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// The kubelet's client certificates: the one in use is a link to a file beside it,
// by its path in the master container.
const (
	kubeletClients = "/var/lib/kubelet/pki"
	kubeletCurrent = "kubelet-client-current.pem"
	kubeletClient  = "kubelet-client-2006-01-02-15-04-05.pem"
)

// kubeletMargin is how long before the end of its client certificate a kubelet that
// has not renewed it gets another. Where certificates are short it is a twentieth of
// their lifetime: kubelets renew them when a tenth is left at the latest.
const kubeletMargin = 5 * time.Minute

// RenewKubelet signs another client certificate for the kubelet of a master whose own
// is over, or about to be. A kubelet renews it by itself while it may still show it;
// a machine that was off for longer would not come back, since its kubelet starts
// neither etcd nor the API server that could sign another. It tells whether it
// wrote; a kubelet that runs has to start anew then.
func RenewKubelet(p paths.Paths, n *node.Node, now time.Time) (written bool, err error) {
	if !n.Master || !Initialized(p) {
		return false, nil
	}
	folder := filepath.Join(p.Kubelet(), filepath.Base(kubeletClients))
	link := filepath.Join(folder, kubeletCurrent)
	target, err := os.Readlink(link)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // the node is being removed
	}
	if err != nil {
		return false, err
	}
	current := filepath.Join(folder, filepath.Base(target))
	// One that is damaged, since power was lost, is no better than none.
	if pair, err := tls.LoadX509KeyPair(current, current); err == nil && !ends(pair.Leaf, now) {
		return false, nil
	}
	signed, err := certificate.SignClient(p.KubernetesFile("pki", "ca.crt"), p.KubernetesFile("pki", "ca.key"), certificate.Request{
		Name: "system:node:" + n.Name, Organization: "system:nodes", Life: n.CertificateLifetime,
	}, now)
	if err != nil {
		return false, fmt.Errorf("renew the kubelet's client certificate: %w", err)
	}
	name := now.Format(kubeletClient)
	if err := paths.WriteFile(filepath.Join(folder, name), signed, 0o600); err != nil {
		return false, err
	}
	return true, paths.Link(filepath.Join(kubeletClients, name), link)
}

// ends tells whether a client certificate is not good, or will not be in a moment.
func ends(leaf *x509.Certificate, now time.Time) bool {
	margin := min(kubeletMargin, leaf.NotAfter.Sub(leaf.NotBefore)/20)
	return now.Before(leaf.NotBefore) || leaf.NotAfter.Sub(now) <= margin
}

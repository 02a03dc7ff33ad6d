package kubeadm

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// authority writes an authority as kubeadm makes it, with an RSA key.
func authority(t *testing.T, p paths.Paths, now time.Time, life time.Duration) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kubernetes"}, NotBefore: now, NotAfter: now.Add(life),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"ca.crt": {Type: "CERTIFICATE", Bytes: der}, "ca.key": {Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)},
	} {
		if err := paths.WriteFile(p.KubernetesFile("pki", name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// kubeletPair reads what the kubelet shows, where it has it.
func kubeletPair(t *testing.T, p paths.Paths) *x509.Certificate {
	t.Helper()
	target, err := os.Readlink(filepath.Join(p.Kubelet(), "pki", "kubelet-client-current.pem"))
	if err != nil || filepath.Dir(target) != "/var/lib/kubelet/pki" {
		t.Fatalf("the link leads to %s, %v", target, err)
	}
	file := filepath.Join(p.Kubelet(), "pki", filepath.Base(target))
	pair, err := tls.LoadX509KeyPair(file, file)
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf
}

// TestRenewKubelet signs another client certificate for the kubelet of a master that
// was off for too long, and leaves all others to kubelets.
func TestRenewKubelet(t *testing.T) {
	const day = 24 * time.Hour
	p := paths.Paths{Root: t.TempDir()}
	now := time.Now().Truncate(time.Second)
	authority(t, p, now, 1000*day)
	master := &node.Node{Name: "node-1", Master: true}
	pki := filepath.Join(p.Kubelet(), "pki")
	attempt := func(what string, n *node.Node, at time.Time, want bool) {
		t.Helper()
		if written, err := RenewKubelet(p, n, at); err != nil || written != want {
			t.Errorf("%s: written %v, %v, want %v", what, written, err, want)
		}
	}
	attempt("before kubeadm has run", master, now, false)
	if err := markInitialized(p, &Config{Version: "1.37.2"}); err != nil {
		t.Fatal(err)
	}
	attempt("without a kubelet", master, now, false)
	first, err := certificate.SignClient(p.KubernetesFile("pki", "ca.crt"), p.KubernetesFile("pki", "ca.key"),
		certificate.Request{Name: "system:node:node-1", Organization: "system:nodes"}, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := paths.WriteFile(filepath.Join(pki, "kubelet-client-first.pem"), first, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := paths.Link("/var/lib/kubelet/pki/kubelet-client-first.pem", filepath.Join(pki, "kubelet-client-current.pem")); err != nil {
		t.Fatal(err)
	}
	over := now.Add(400 * day)
	attempt("good", master, now, false)
	attempt("the kubelet renews it", master, now.Add(364*day), false)
	attempt("a worker", &node.Node{Name: "node-1"}, over, false)
	attempt("about to be over", master, now.Add(365*day-time.Minute), true)
	attempt("after that", master, now.Add(365*day), false)
	attempt("over", master, over.Add(500*day), true)
	leaf := kubeletPair(t, p)
	if leaf.Subject.CommonName != "system:node:node-1" || !slices.Equal(leaf.Subject.Organization, []string{"system:nodes"}) {
		t.Errorf("it is that of %s", leaf.Subject)
	}
	if want := now.Add(1000 * day); !leaf.NotAfter.Equal(want.UTC()) {
		t.Errorf("it is good until %s, its authority until %s", leaf.NotAfter, want)
	}
	pool := x509.NewCertPool()
	content, err := os.ReadFile(p.KubernetesFile("pki", "ca.crt"))
	if err != nil || !pool.AppendCertsFromPEM(content) {
		t.Fatal(err)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{
		Roots: pool, CurrentTime: over.Add(500 * day), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}); err != nil {
		t.Error(err)
	}
	attempt("the clock was ahead", master, now, true)
	target, err := os.Readlink(filepath.Join(pki, "kubelet-client-current.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(pki, filepath.Base(target)), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	attempt("damaged", master, now, true)
	kubeletPair(t, p)
	if written, err := RenewKubelet(p, master, now.Add(1001*day)); err == nil || written {
		t.Errorf("an authority that has expired signs: %v, %v", written, err)
	}
}

package certificate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// Organization is the group of all nodes, in their certificates.
const Organization = "gravity:nodes"

// The units of that group.
const (
	UnitMaster = "master"
	UnitNode   = "node"
)

// ForNode describes the certificate by which a node serves its registry and its
// agent, and reads those of others.
func ForNode(n *node.Node) Request {
	r := Request{
		Name: n.Name, Organization: Organization, Unit: UnitNode, DNS: []string{n.Name},
		Addresses: []netip.Addr{n.Address, netip.AddrFrom4([4]byte{127, 0, 0, 1})}, Life: n.CertificateLifetime,
	}
	if n.Master {
		r.Unit, r.DNS = UnitMaster, append(r.DNS, "leader.telekube.local", "registry.local")
	}
	return r
}

// Files are a node's certificate and what belongs to it: paths of PEM files.
type Files struct {
	// Authority is the certificate of gravity's authority, AuthorityKey its key,
	// which only masters have.
	Authority, AuthorityKey string
	// Certificate and Key are the node's.
	Certificate, Key string
}

// FilesOf are the files of a node.
func FilesOf(p paths.Paths) Files {
	file := func(name string) string { return p.Certificate(name) }
	return Files{Authority: file("ca.crt"), AuthorityKey: file("ca.key"), Certificate: file("node.crt"), Key: file("node.key")}
}

// TLS is the configuration of a node's clients and servers: both sides show a
// certificate of gravity's authority. The files are read once.
func (f Files) TLS() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(f.Certificate, f.Key)
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(f.Authority)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("%s has no certificate", f.Authority)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{pair}, RootCAs: pool, ClientCAs: pool,
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13,
	}, nil
}

// NewRequest makes a key and asks for a certificate: PEM of both. The request
// has nothing but the public key; what else is in the certificate is decided by
// who signs it.
func NewRequest() (request, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if request, err = requestFor(private); err != nil {
		return nil, nil, err
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return request, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), nil
}

func requestFor(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), nil
}

// NewRequest asks for a certificate for the key that the node has: so only one
// file changes when it comes, and there is no moment at which the two do not
// belong together.
func (f Files) NewRequest() ([]byte, error) {
	_, key, _, err := read(f.Certificate, f.Key)
	if err != nil {
		return nil, err
	}
	return requestFor(key)
}

// Leaf is the node's certificate.
func (f Files) Leaf() (*x509.Certificate, error) {
	leaf, _, _, err := read(f.Certificate, f.Key)
	return leaf, err
}

// Check fails unless a certificate, PEM, is one of the authority for the key that
// the node has.
func (f Files) Check(certificate []byte) error {
	key, err := os.ReadFile(f.Key)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(f.Authority)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return fmt.Errorf("%s has no certificate", f.Authority)
	}
	_, err = pair.Leaf.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return err
}

// Sign makes a certificate for the key of a request.
func (a *Authority) Sign(request []byte, of Request, now time.Time) ([]byte, error) {
	block, _ := pem.Decode(request)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return nil, errors.New("it is not a request for a certificate")
	}
	parsed, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("request for a certificate: %w", err)
	}
	if err := parsed.CheckSignature(); err != nil {
		return nil, fmt.Errorf("request for a certificate: %w", err)
	}
	public, ok := parsed.PublicKey.(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return nil, errors.New("request for a certificate: its key is not ECDSA P-256")
	}
	return a.leaf(of, public, now)
}

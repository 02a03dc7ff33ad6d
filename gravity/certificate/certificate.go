// Package certificate is gravity's own certification authority, beside those
// that kubeadm makes: it signs the certificates of registries and agents.
// Keys are ECDSA P-256, files have mode 0600.
package certificate

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

const (
	authorityLife = 10 * 365 * 24 * time.Hour
	// Life is how long certificates are good, unless the cluster was installed with
	// another lifetime.
	Life = 365 * 24 * time.Hour
	// backdate lets machines whose clocks are a little behind accept it.
	backdate = 10 * time.Minute
)

// Authority signs certificates.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
}

// PEM is the authority's certificate.
func (a *Authority) PEM() []byte { return a.pem }

// EnsureAuthority reads the authority of two files, or makes one if neither is
// there. It never replaces one: whatever it signed would be void. It ends the
// work of a process that was killed between the files.
func EnsureAuthority(certificateFile, keyFile string, now time.Time) (*Authority, error) {
	certificate, key, pemBytes, err := read(certificateFile, keyFile)
	switch {
	case err == nil:
		if !certificate.IsCA {
			return nil, fmt.Errorf("%s is not the certificate of an authority", certificateFile)
		}
		return &Authority{certificate: certificate, key: key, pem: pemBytes}, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	if _, err := os.Stat(certificateFile); err == nil {
		return nil, fmt.Errorf("the key %s of %s is missing", keyFile, certificateFile)
	}
	key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "gravity"},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(authorityLife),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}
	authority := &Authority{key: key}
	if authority.certificate, authority.pem, err = sign(template, template, &key.PublicKey, key); err != nil {
		return nil, err
	}
	// The key comes first: a key alone is replaced by the next attempt.
	if err := write(certificateFile, authority.pem, keyFile, key); err != nil {
		return nil, err
	}
	return authority, nil
}

// Request describes a certificate for servers and clients alike.
type Request struct {
	// Name is the common name, and Organization the group, of the holder.
	Name, Organization string
	// Unit is a part of the group.
	Unit string
	// DNS and Addresses are what a server is called by.
	DNS       []string
	Addresses []netip.Addr
	// Life is how long the certificate is good; zero means Life.
	Life time.Duration
	// Issued is when it counts as issued, if that is later than it is by the clock.
	Issued time.Time
}

// Due tells whether a certificate is to be made anew: when a third of its
// lifetime is left, or if it begins later than now, since the clock was wrong when
// it was made. Zero means Life.
func Due(certificate *x509.Certificate, life time.Duration, now time.Time) bool {
	return now.Before(certificate.NotBefore) || certificate.NotAfter.Sub(now) <= orLife(life)/3
}

func orLife(life time.Duration) time.Duration {
	if life <= 0 {
		return Life
	}
	return life
}

// Issued is when gravity's authority signed a certificate, or when it counts as
// signed: what a clock said that was behind is no reason to take a node for another
// one, which was removed.
func Issued(certificate *x509.Certificate) time.Time {
	for _, uri := range certificate.URIs {
		if text, ok := strings.CutPrefix(uri.String(), issuedURI); ok {
			if issued, err := time.Parse(time.RFC3339, text); err == nil {
				return issued
			}
		}
	}
	return certificate.NotBefore.Add(backdate)
}

// issuedURI begins the name that has the time of [Request].Issued.
const issuedURI = "gravity://issued/"

// Ensure makes a certificate and its key, unless the files have one of this
// authority for the same holder that is not Due. It tells whether it wrote. Made again, a certificate has a new key.
func (a *Authority) Ensure(request Request, certificateFile, keyFile string, now time.Time) (written bool, err error) {
	certificate, _, _, err := read(certificateFile, keyFile)
	if err == nil && a.covers(certificate, request, now) {
		return false, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return false, err
	}
	encoded, err := a.leaf(request, &key.PublicKey, now)
	if err != nil {
		return false, err
	}
	return true, write(certificateFile, encoded, keyFile, key)
}

// leaf makes a certificate for a key: PEM.
func (a *Authority) leaf(request Request, public *ecdsa.PublicKey, now time.Time) ([]byte, error) {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: request.Name},
		DNSNames:    request.DNS,
		NotBefore:   now.Add(-backdate),
		NotAfter:    now.Add(orLife(request.Life)),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if request.Organization != "" {
		template.Subject.Organization = []string{request.Organization}
	}
	if request.Unit != "" {
		template.Subject.OrganizationalUnit = []string{request.Unit}
	}
	if request.Issued.After(now) {
		uri, err := url.Parse(issuedURI + request.Issued.UTC().Format(time.RFC3339))
		if err != nil {
			return nil, err
		}
		template.URIs = []*url.URL{uri}
	}
	for _, address := range request.Addresses {
		template.IPAddresses = append(template.IPAddresses, address.AsSlice())
	}
	_, encoded, err := sign(template, a.certificate, public, a.key)
	if err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", request.Name, err)
	}
	return encoded, nil
}

// covers tells whether a certificate still does for a request.
func (a *Authority) covers(certificate *x509.Certificate, request Request, now time.Time) bool {
	if certificate.CheckSignatureFrom(a.certificate) != nil || certificate.Subject.CommonName != request.Name {
		return false
	}
	if Due(certificate, request.Life, now) {
		return false
	}
	var addresses []netip.Addr
	for _, ip := range certificate.IPAddresses {
		address, _ := netip.AddrFromSlice(ip)
		addresses = append(addresses, address.Unmap())
	}
	return slices.Equal(certificate.DNSNames, request.DNS) && slices.Equal(addresses, request.Addresses) &&
		(request.Organization == "" || slices.Equal(certificate.Subject.Organization, []string{request.Organization})) &&
		(request.Unit == "" || slices.Equal(certificate.Subject.OrganizationalUnit, []string{request.Unit}))
}

func sign(template, parent *x509.Certificate, public *ecdsa.PublicKey, signer crypto.PrivateKey) (*x509.Certificate, []byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, err
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return nil, nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, err
	}
	return certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

func write(certificateFile string, certificate []byte, keyFile string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := paths.WriteFile(keyFile, block, 0o600); err != nil {
		return err
	}
	return paths.WriteFile(certificateFile, certificate, 0o600)
}

// read reads a certificate and its key, and checks that they belong together.
func read(certificateFile, keyFile string) (*x509.Certificate, *ecdsa.PrivateKey, []byte, error) {
	content, err := os.ReadFile(certificateFile)
	if err != nil {
		return nil, nil, nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, nil, nil, fmt.Errorf("%s has no certificate", certificateFile)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%s: %w", certificateFile, err)
	}
	keyContent, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, nil, nil, err
	}
	if block, _ = pem.Decode(keyContent); block == nil {
		return nil, nil, nil, fmt.Errorf("%s has no key", keyFile)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%s: %w", keyFile, err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !key.PublicKey.Equal(certificate.PublicKey) {
		return nil, nil, nil, fmt.Errorf("%s is not the key of %s", keyFile, certificateFile)
	}
	return certificate, key, content, nil
}

package certificate_test

import (
	"crypto/x509"
	"encoding/pem"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
)

// TestSign wants a certificate to have what the authority decides, and the key of
// who asked.
func TestSign(t *testing.T) {
	folder := t.TempDir()
	files := certificate.Files{
		Authority: filepath.Join(folder, "ca.crt"), AuthorityKey: filepath.Join(folder, "ca.key"),
		Certificate: filepath.Join(folder, "node.crt"), Key: filepath.Join(folder, "node.key"),
	}
	authority, err := certificate.EnsureAuthority(files.Authority, files.AuthorityKey, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	request, key, err := certificate.NewRequest()
	if err != nil {
		t.Fatal(err)
	}
	signed, err := authority.Sign(request, certificate.ForNode(&node.Node{Name: "node-2", Address: netip.MustParseAddr("10.0.0.2"), Master: true}), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string][]byte{files.Certificate: signed, files.Key: key} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := files.TLS(); err != nil {
		t.Error(err)
	}
	block, _ := pem.Decode(signed)
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if subject := parsed.Subject; subject.CommonName != "node-2" || !slices.Equal(subject.OrganizationalUnit, []string{certificate.UnitMaster}) || parsed.IsCA {
		t.Errorf("the certificate is that of %s", subject)
	}
	if err := parsed.VerifyHostname("leader.telekube.local"); err != nil {
		t.Error(err)
	}
	for name, text := range map[string][]byte{"nothing": nil, "a certificate": signed, "a damaged request": append(request[:40:40], request[44:]...)} {
		if _, err := authority.Sign(text, certificate.Request{Name: "node-3"}, time.Now()); err == nil {
			t.Errorf("%s is signed", name)
		}
	}
}

func FuzzSign(f *testing.F) {
	folder := f.TempDir()
	authority, err := certificate.EnsureAuthority(filepath.Join(folder, "ca.crt"), filepath.Join(folder, "ca.key"), time.Now())
	if err != nil {
		f.Fatal(err)
	}
	request, _, err := certificate.NewRequest()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(request)
	f.Fuzz(func(_ *testing.T, request []byte) {
		_, _ = authority.Sign(request, certificate.Request{Name: "node-3"}, time.Now())
	})
}

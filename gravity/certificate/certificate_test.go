package certificate_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
)

var request = certificate.Request{
	Name: "node-1", Organization: "gravity:nodes", DNS: []string{"node-1"},
	Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1")},
}

func newAuthority(t *testing.T, folder string, now time.Time) *certificate.Authority {
	t.Helper()
	authority, err := certificate.EnsureAuthority(filepath.Join(folder, "ca.crt"), filepath.Join(folder, "ca.key"), now)
	if err != nil {
		t.Fatal(err)
	}
	return authority
}

func TestEnsure(t *testing.T) {
	folder, now := t.TempDir(), time.Now()
	authority := newAuthority(t, folder, now)
	if again := newAuthority(t, folder, now); string(again.PEM()) != string(authority.PEM()) {
		t.Error("the second call made another authority")
	}
	crt, key := filepath.Join(folder, "node.crt"), filepath.Join(folder, "node.key")
	other := request
	other.DNS = []string{"node-1", "leader.telekube.local"}
	short := other
	short.Life = 3 * time.Minute
	for _, test := range []struct {
		name    string
		request certificate.Request
		now     time.Time
		written bool
	}{
		{"first", request, now, true},
		{"again", request, now, false},
		{"more names", other, now, true},
		{"still good", other, now.Add(243 * 24 * time.Hour), false},
		{"a third is left", other, now.Add(244 * 24 * time.Hour), true},
		{"made when the clock was wrong", other, now, true},
		{"a short lifetime", short, now, false},
		{"of a short lifetime", short, now.Add(400 * 24 * time.Hour), true},
		{"still good for a minute", short, now.Add(400*24*time.Hour + time.Minute), false},
		{"not any more", short, now.Add(400*24*time.Hour + 2*time.Minute), true},
	} {
		written, err := authority.Ensure(test.request, crt, key, test.now)
		if err != nil || written != test.written {
			t.Errorf("%s: written %v, %v, want %v", test.name, written, err, test.written)
		}
	}
	for _, file := range []string{crt, key, filepath.Join(folder, "ca.key")} {
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", file, info.Mode(), err)
		}
	}
	if err := os.WriteFile(crt, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if written, err := authority.Ensure(request, crt, key, now); err != nil || !written {
		t.Errorf("a damaged certificate was not replaced: %v %v", written, err)
	}
	pair, err := tls.LoadX509KeyPair(crt, key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority.PEM())
	for _, name := range []string{"node-1", "10.0.0.1"} {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestEnsureAuthorityKeeps never replaces an authority.
func TestEnsureAuthorityKeeps(t *testing.T) {
	folder := t.TempDir()
	newAuthority(t, folder, time.Now())
	if err := os.Remove(filepath.Join(folder, "ca.key")); err != nil {
		t.Fatal(err)
	}
	_, err := certificate.EnsureAuthority(filepath.Join(folder, "ca.crt"), filepath.Join(folder, "ca.key"), time.Now())
	if err == nil {
		t.Error("an authority without a key was replaced")
	}
}

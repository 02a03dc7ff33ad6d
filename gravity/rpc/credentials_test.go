package rpc

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	files := authority(t, dir, "master-1", time.Now())
	worker := authority(t, dir, "node-2", time.Now())
	w := serve(t, files, &host{executor: &functions{}}, "127.0.0.1:0")
	for name, test := range map[string]struct {
		files certificate.Files
		want  string
	}{
		"another authority": {authority(t, t.TempDir(), "master-1", time.Now()), "certificate"},
		"expired":           {authority(t, dir, "master-3", time.Now().AddDate(-2, 0, 0)), "expired"},
		"a worker":          {worker, "node node-2 is no master"},
		"no pair":           {certificate.Files{Authority: files.Authority, Certificate: files.Authority, Key: files.Key}, "private key"},
	} {
		log := &warnings{}
		if _, err := dial(t, test.files, w, log); err == nil || !strings.Contains(err.Error()+log.text, test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	if _, err := dial(t, files, &wire{Listener: closedListener(t)}, slog.New(slog.DiscardHandler)); !errors.Is(err, operation.ErrNoAgent) {
		t.Errorf("nobody there: %v, want ErrNoAgent", err)
	}
}

// TestServerRefuses shows the server certificates that our own client would not.
func TestServerRefuses(t *testing.T) {
	dir := t.TempDir()
	files := authority(t, dir, "master-1", time.Now())
	w := serve(t, files, &host{}, "127.0.0.1:0")
	stranger := authority(t, t.TempDir(), "master-1", time.Now())
	expired := authority(t, dir, "master-3", time.Now().AddDate(-2, 0, 0))
	for name, test := range map[string]struct {
		files   certificate.Files
		refused bool
	}{
		"its own": {files, false}, "expired": {expired, true}, "another authority": {stranger, true}, "none": {certificate.Files{}, true},
	} {
		config := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}
		if test.files.Key != "" {
			pair, err := tls.LoadX509KeyPair(test.files.Certificate, test.files.Key)
			if err != nil {
				t.Fatal(err)
			}
			// Whatever authorities the server asks for.
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
		}
		connection, err := tls.Dial("tcp", w.Addr().String(), config)
		if err == nil {
			_, err = connection.Read(make([]byte, 1)) // HTTP/2 settings, or an alert
			_ = connection.Close()
		}
		if (err != nil) != test.refused {
			t.Errorf("%s: %v, want refused %t", name, err, test.refused)
		}
	}
}

func TestIdentify(t *testing.T) {
	p, err := paths.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := node.WriteMasters(p, []netip.Addr{netip.MustParseAddr("192.0.2.1"), loopback}); err != nil {
		t.Fatal(err)
	}
	const group, unit = certificate.Organization, certificate.UnitMaster
	for _, test := range []struct {
		address, group, unit string
		master, fails        bool
	}{
		{"192.0.2.1", group, unit, true, false},
		{"::ffff:192.0.2.1", group, unit, true, false},
		{"192.0.2.1", group, certificate.UnitNode, false, false},
		{"192.0.2.2", group, unit, false, false},
		{"127.0.0.1", group, unit, false, false},
		{"192.0.2.1", "system:masters", unit, false, true},
	} {
		caller, err := Identify(p, &x509.Certificate{
			Subject:     pkix.Name{CommonName: "a", Organization: []string{test.group}, OrganizationalUnit: []string{test.unit}},
			IPAddresses: []net.IP{net.ParseIP(test.address)},
		})
		if caller.Master != test.master || (err != nil) != test.fails {
			t.Errorf("%s of %s, %s: %v, %v", test.address, test.group, test.unit, caller, err)
		}
	}
}

type warnings struct{ text string }

func (w *warnings) Debug(string, ...any) {}
func (w *warnings) Info(string, ...any)  {}
func (w *warnings) Warn(message string, args ...any) {
	w.text += fmt.Sprintln(append([]any{message}, args...)...)
}

func closedListener(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	return listener
}

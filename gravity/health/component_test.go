package health

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// issue makes gravity's certificates as a node has them.
func issue(t *testing.T, p paths.Paths, now time.Time) {
	t.Helper()
	file := func(name string) string { return filepath.Join(p.Certificates(), name) }
	authority, err := certificate.EnsureAuthority(file("ca.crt"), file("ca.key"), now)
	if err != nil {
		t.Fatal(err)
	}
	request := certificate.Request{Name: "node-1", Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}
	if _, err := authority.Ensure(request, file("node.crt"), file("node.key"), now); err != nil {
		t.Fatal(err)
	}
}

func TestComponent(t *testing.T) {
	answer := func(code int, body string) string {
		server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = w.Write([]byte(body))
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	for _, test := range []struct{ name, url, want string }{
		{"well", answer(200, "ok"), ""},
		{"says what is wrong", answer(500, "[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n"), "500 Internal Server Error: [-]etcd failed: reason withheld"},
		{"says little", answer(503, "not now"), "503 Service Unavailable: not now"},
		{"sends elsewhere", answer(302, ""), "302 Found"},
		{"gone", "http://" + closed.Addr().String(), "connection refused"},
	} {
		_, err := component(test.url)(t.Context())
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.HasSuffix(strings.TrimRight(err.Error(), ": "), test.want)) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
}

// TestRegistry asks a server that wants a certificate.
func TestRegistry(t *testing.T) {
	p := paths.Paths{Root: t.TempDir()}
	issue(t, p, time.Now())
	pool, err := readPool(filepath.Join(p.Certificates(), "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(p.Certificates(), "node.crt"), filepath.Join(p.Certificates(), "node.key"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	defer server.Close()
	if err := answers(t.Context(), server.URL, &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}); err != nil {
		t.Error(err)
	}
	if err := answers(t.Context(), server.URL, &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}); err == nil {
		t.Error("a stranger is served")
	}
	if err := answers(t.Context(), server.URL, &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}); err == nil {
		t.Error("a strange server is believed")
	}
	if _, err := registry(paths.Paths{Root: t.TempDir()})(t.Context()); err == nil || !strings.Contains(err.Error(), "ca.crt") {
		t.Errorf("without certificates: %v", err)
	}
}

func TestFailedUnits(t *testing.T) {
	got := failedUnits("rsyslog.service loaded failed failed System Logging\n\nfoo.mount loaded failed failed /foo\n")
	if diff := cmp.Diff([]string{"rsyslog.service", "foo.mount"}, got); diff != "" {
		t.Error(diff)
	}
	if got := failedUnits("\n"); got != nil {
		t.Errorf("of nothing: %v", got)
	}
}

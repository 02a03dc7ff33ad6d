package balancer_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/balancer"
)

// TestCheckReady asks an API server that gives each of the answers that there are.
func TestCheckReady(t *testing.T) {
	for _, test := range []struct {
		name   string
		status int
		ready  bool
	}{
		{"ready", http.StatusOK, true},
		{"strangers are not known", http.StatusUnauthorized, true},
		{"rules are not read yet", http.StatusForbidden, false},
		{"a part of it is not ready", http.StatusInternalServerError, false},
		{"it shuts down", http.StatusServiceUnavailable, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/readyz" || r.Header.Get("Authorization") != "" {
					t.Errorf("it is asked for %s as %q", r.URL.Path, r.Header.Get("Authorization"))
				}
				w.WriteHeader(test.status)
			}))
			defer server.Close()
			err := balancer.CheckReady(t.Context(), strings.TrimPrefix(server.URL, "https://"))
			if (err == nil) != test.ready || errors.Is(err, balancer.ErrGone) {
				t.Errorf("status %d: %v", test.status, err)
			}
		})
	}
}

// TestErrGone tells a machine that does not answer from a server that does not.
func TestErrGone(t *testing.T) {
	for _, test := range []struct {
		name string
		// prepare makes a listener what it is to be.
		prepare func(*testing.T, *net.TCPListener)
		// gone is for both checks, listens tells whether CheckListens is content.
		gone, listens bool
	}{
		{"slow", func(*testing.T, *net.TCPListener) {}, false, true},
		{"refused", func(_ *testing.T, listener *net.TCPListener) { _ = listener.Close() }, true, false},
		{"silent", silence, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			test.prepare(t, listener)
			check := func(check func(context.Context, string) error) error {
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
				defer cancel()
				return check(ctx, listener.Addr().String())
			}
			if err := check(balancer.CheckReady); err == nil || errors.Is(err, balancer.ErrGone) != test.gone {
				t.Errorf("CheckReady: %v", err)
			}
			if err := check(balancer.CheckListens); errors.Is(err, balancer.ErrGone) != test.gone || (err == nil) != test.listens {
				t.Errorf("CheckListens: %v", err)
			}
		})
	}
}

// silence fills the queue of a listener, so that the kernel drops what comes then,
// as if the machine was gone.
func silence(t *testing.T, listener *net.TCPListener) {
	t.Helper()
	raw, err := listener.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	listenErr := errors.New("not called")
	if err := raw.Control(func(fd uintptr) { listenErr = syscall.Listen(int(fd), 0) }); err != nil || listenErr != nil {
		t.Fatal(err, listenErr)
	}
	for range 2 {
		connection, err := net.DialTimeout("tcp", listener.Addr().String(), 100*time.Millisecond)
		if err != nil {
			return
		}
		t.Cleanup(func() { _ = connection.Close() })
	}
}

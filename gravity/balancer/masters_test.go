package balancer_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

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
			if (err == nil) != test.ready {
				t.Errorf("status %d: %v", test.status, err)
			}
		})
	}
}

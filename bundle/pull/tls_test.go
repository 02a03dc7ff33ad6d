package pull_test

import (
	"io"
	"log" //nolint:depguard // what servers of the library take
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/pull"
)

// TestInsecureRegistry has a certificate that nobody vouches for.
func TestInsecureRegistry(t *testing.T) {
	plain := serve(t)
	path := "team/web:1"
	plain.push(t, path, image(t, 1000, 1))
	secure := httptest.NewUnstartedServer(plain.registry)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	host := strings.TrimPrefix(secure.URL, "https://")
	if err := failure(t, t.TempDir(), host+"/"+path); !strings.Contains(err.Error(), "certificate") {
		t.Errorf("error %v", err)
	}
	for _, insecure := range []string{host, "*"} {
		mustPull(t, cacheOf(t, t.TempDir()), pull.Options{Insecure: []string{insecure}}, host+"/"+path)
	}
}

// TestRedirects has blobs elsewhere, as registries with object stores do; what
// is elsewhere sees no credentials.
func TestRedirects(t *testing.T) {
	s := serve(t)
	reference := s.push(t, "team/closed:1", image(t, 1000, 2))
	store := serve(t)
	store.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") != "" {
			t.Error("credentials were sent elsewhere")
		}
		s.registry.ServeHTTP(w, r)
		return true
	})
	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if user, _, _ := r.BasicAuth(); user != "ann" {
			w.Header().Set("WWW-Authenticate", `Basic realm="closed"`)
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		if strings.Contains(r.URL.Path, "/blobs/") {
			// The same machine by another name, for which nobody logs in.
			elsewhere := strings.Replace(store.URL, "127.0.0.1", "localhost", 1)
			http.Redirect(w, r, elsewhere+r.URL.Path, http.StatusTemporaryRedirect)
			return true
		}
		return false
	})
	dockerConfig(t, s)
	mustPull(t, cacheOf(t, t.TempDir()), pull.Options{}, reference)
	if n := len(store.requests("/blobs/")); n != 3 {
		t.Errorf("%d blobs came from elsewhere", n)
	}
}

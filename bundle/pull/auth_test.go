package pull_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/pull"
)

// dockerConfig makes docker's configuration have credentials of a server.
func dockerConfig(t *testing.T, s *server) {
	t.Helper()
	folder := t.TempDir()
	auth := base64.StdEncoding.EncodeToString([]byte("ann:open sesame"))
	text := fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, strings.TrimPrefix(s.URL, "http://"), auth)
	if err := os.WriteFile(filepath.Join(folder, "config.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_CONFIG", folder)
}

func TestBasicCredentials(t *testing.T) {
	s := serve(t)
	reference := s.push(t, "team/closed:1", image(t, 1000, 2))
	demand := func(w http.ResponseWriter, r *http.Request) bool {
		if user, password, _ := r.BasicAuth(); user == "ann" && password == "open sesame" {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="closed"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
	s.answer(demand)
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	if err := failure(t, t.TempDir(), reference); !strings.Contains(err.Error(), "401") {
		t.Errorf("error %v", err)
	}
	dockerConfig(t, s)
	mustPull(t, cacheOf(t, t.TempDir()), pull.Options{}, reference)
}

func TestTokens(t *testing.T) {
	s := serve(t)
	reference := s.push(t, "team/closed:1", image(t, 1000, 2))
	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.URL.Path == "/token":
			user, password, _ := r.BasicAuth()
			if user != "ann" || password != "open sesame" || r.URL.Query().Get("scope") != "repository:team/closed:pull" {
				w.WriteHeader(http.StatusForbidden)
				return true
			}
			_, _ = w.Write([]byte(`{"token": "abc"}`))
			return true
		case r.Header.Get("Authorization") == "Bearer abc":
			return false
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+s.URL+`/token",service="here"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
	dockerConfig(t, s)
	mustPull(t, cacheOf(t, t.TempDir()), pull.Options{}, reference)
	if n := len(s.requests("/token")); n != 1 {
		t.Errorf("%d tokens", n)
	}
}

func TestMirrors(t *testing.T) {
	s, mirror := serve(t), serve(t)
	pushed := image(t, 1000, 2)
	reference := s.push(t, "team/both:1", pushed)
	mirror.push(t, "proxy/team/both:1", pushed)
	only := s.push(t, "team/only:1", image(t, 1000, 2))
	s.answer(nil)
	options := pull.Options{Mirrors: map[string][]string{strings.TrimPrefix(s.URL, "http://"): {mirror.reference("proxy")}}}
	mustPull(t, cacheOf(t, t.TempDir()), options, reference)
	if n := len(s.requests("")); n != 0 {
		t.Errorf("%d requests to the registry, though the mirror has all", n)
	}
	mustPull(t, cacheOf(t, t.TempDir()), options, only)
}

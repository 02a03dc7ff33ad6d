package hub_test

import (
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/hub"
)

// FuzzAnswers pulls from, lists and pushes to a registry whose answers are
// whatever comes: nothing panics, nothing is believed.
func FuzzAnswers(f *testing.F) {
	s := serve(f)
	b := open(f, write(f, shop("1.0.0")))
	connection := connect(f, "")
	for _, seed := range []struct {
		body, header, location string
		status                 uint16
	}{
		{"{}", "sha256:" + strings.Repeat("a", 64), "/v2/x", 200},
		{`{"artifactType":"` + hub.ArtifactType + `","annotations":{"dev.gravity.format":"1"},"manifests":[{"artifactType":"` + hub.FilesArtifactType + `"}]}`, "", "0-5", 200},
		{`{"tags":["1.0.0"],"repositories":["a","../b"]}`, "", `</v2/_catalog?n=1>; rel="next"`, 202},
		{`{"errors":[{"code":"UNSUPPORTED"}]}`, "x", "http://192.0.2.1/", 405},
	} {
		f.Add([]byte(seed.body), seed.header, seed.location, seed.status)
	}
	f.Fuzz(func(t *testing.T, body []byte, digest, location string, status uint16) {
		code := 200 + int(status)%400
		if code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout {
			code = http.StatusOK // others are asked again, which takes time
		}
		var asked atomic.Int64
		s.answer(func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/v2/" {
				return false
			}
			if asked.Add(1) > 40 { // lists that do not end take long
				w.WriteHeader(http.StatusNotFound)
				return true
			}
			for _, key := range []string{"Location", "Range", "Link"} {
				w.Header().Set(key, location)
			}
			w.Header().Set("Docker-Content-Digest", digest)
			w.WriteHeader(code)
			_, _ = w.Write(body)
			return true
		})
		if remote, err := connection.Find(t.Context(), s.host()+"/shop:1.0.0"); err == nil {
			t.Error("there is a bundle", errors.Join(err, remote.Close(t.Context())))
		}
		_, _ = connection.List(t.Context(), s.host()+"/shop")
		_, _ = connection.Versions(t.Context(), s.host()+"/shop")
		_, _ = connection.Remove(t.Context(), s.host()+"/shop:1.0.0")
		if _, err := connection.Push(t.Context(), b, s.host(), false); err == nil && code >= 300 {
			t.Errorf("a push succeeds though all answers are %d", code)
		}
	})
}

// FuzzReferences splits what users write; what is accepted has a host.
func FuzzReferences(f *testing.F) {
	for _, seed := range []string{"hub.example.com/shop:1.0.0", "shop", "localhost:5000", "[::1]:5000/a:1", "a/../b:1", "@", ":"} {
		f.Add(seed)
	}
	connection := connect(f, "")
	f.Fuzz(func(t *testing.T, text string) {
		host, rest := hub.SplitHost(text)
		if host != "" && rest != "" && host+"/"+rest != text {
			t.Errorf("%q becomes %q and %q", text, host, rest)
		}
		if tag, err := connection.Target(text, "Shop", "1.0.0+b"); err == nil {
			if tag.TagStr() != "1.0.0_b" || filepath.Base(tag.RepositoryStr()) != "shop" || strings.Contains(tag.RepositoryStr(), "..") {
				t.Errorf("%q becomes %s", text, tag)
			}
		}
	})
}

package hub_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/hub"
)

// cutting is a proxy before a registry that cuts what is uploaded.
type cutting struct {
	*httptest.Server
	// left is how many more bytes of uploads go through; negative for all.
	left atomic.Int64
	// sent counts those that did.
	sent atomic.Int64
}

func startCutting(t *testing.T, address string) *cutting {
	t.Helper()
	c := &cutting{}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: address})
	direct := proxy.Director
	proxy.Director = func(r *http.Request) {
		direct(r)
		if r.Method == http.MethodPatch {
			r.Body = &cutBody{ReadCloser: r.Body, of: c}
		}
	}
	transport := &http.Transport{}
	proxy.Transport = transport
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	c.Server = httptest.NewUnstartedServer(proxy)
	c.Config.ErrorLog = quiet()
	c.Start()
	t.Cleanup(func() { c.Close(); transport.CloseIdleConnections() })
	return c
}

func (c *cutting) cut(bytes int64) { c.left.Store(bytes) }
func (c *cutting) host() string    { return strings.TrimPrefix(c.URL, "http://") }

type cutBody struct {
	io.ReadCloser
	of *cutting
}

func (b *cutBody) Read(content []byte) (int, error) {
	if left := b.of.left.Load(); left >= 0 && int64(len(content)) > left {
		content = content[:left]
	}
	if len(content) == 0 {
		return 0, errors.New("cut")
	}
	n, err := b.ReadCloser.Read(content)
	b.of.sent.Add(int64(n))
	if b.of.left.Load() >= 0 {
		b.of.left.Add(-int64(n))
	}
	return n, err
}

// pushed is a registry with a bundle, and its contents.
func pushed(t *testing.T) (s *server, path string) {
	t.Helper()
	s = serve(t)
	path = write(t, shop("1.0.0"))
	if _, err := connect(t, "").Push(t.Context(), open(t, path), s.host(), false); err != nil {
		t.Fatal(err)
	}
	return s, path
}

// TestHostileAnswers are those of a registry that sends what it likes: pulling
// ends with an error, and leaves no file.
func TestHostileAnswers(t *testing.T) {
	endless := func(w http.ResponseWriter) {
		line := []byte(strings.Repeat("x", 1<<16))
		for range 2000 { // more than anybody should read
			if _, err := w.Write(line); err != nil {
				return
			}
		}
	}
	tagOnly := func(do func(w http.ResponseWriter)) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "/manifests/") {
				return false
			}
			do(w)
			return true
		}
	}
	for name, hook := range map[string]func(w http.ResponseWriter, r *http.Request) bool{
		"endless manifest": tagOnly(endless),
		"endless blob": func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "/blobs/") {
				return false
			}
			endless(w)
			return true
		},
		"other blobs": func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "/blobs/") {
				return false
			}
			_, _ = w.Write([]byte("{}"))
			return true
		},
		"another digest": tagOnly(func(w http.ResponseWriter) {
			w.Header().Set("Docker-Content-Digest", "sha256:"+strings.Repeat("a", 64))
			_, _ = w.Write([]byte("{}"))
		}),
		"no digest":   tagOnly(func(w http.ResponseWriter) { w.Header().Set("Docker-Content-Digest", "../../etc/passwd") }),
		"no manifest": tagOnly(func(w http.ResponseWriter) { _, _ = w.Write([]byte("<html>")) }),
		"endless errors": tagOnly(func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusForbidden)
			endless(w)
		}),
		"circle": func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := pushed(t)
			s.answer(hook)
			if _, err := pullTo(t, connect(t, ""), s.host()+"/shop:1.0.0"); err == nil {
				t.Error("no error")
			}
		})
	}
}

// TestForged has indexes that are well-formed and wrong.
func TestForged(t *testing.T) {
	s, path := pushed(t)
	get := func(path string) []byte {
		recorder := httptest.NewRecorder()
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
		s.registry.ServeHTTP(recorder, request)
		return recorder.Body.Bytes()
	}
	put := func(tag string, value any) {
		content, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/v2/shop/manifests/"+tag, strings.NewReader(string(content)))
		request.Header.Set("Content-Type", "application/vnd.oci.image.index.v1+json")
		recorder := httptest.NewRecorder()
		s.registry.ServeHTTP(recorder, request)
		if recorder.Code != http.StatusCreated {
			t.Fatalf("%s: %s", tag, recorder.Body)
		}
	}
	read := func() (index v1.IndexManifest) {
		if err := json.Unmarshal(get("/v2/shop/manifests/1.0.0"), &index); err != nil {
			t.Fatal(err)
		}
		return index
	}
	for name, change := range map[string]func(x *v1.IndexManifest){
		"another type":    func(x *v1.IndexManifest) { x.ArtifactType = bundle.ArtifactType },
		"another format":  func(x *v1.IndexManifest) { x.Annotations[bundle.AnnotationFormat] = "2" },
		"nothing":         func(x *v1.IndexManifest) { x.Manifests = nil },
		"no files":        func(x *v1.IndexManifest) { x.Manifests = x.Manifests[1:] },
		"an image lacks":  func(x *v1.IndexManifest) { x.Manifests = x.Manifests[:2] },
		"files elsewhere": func(x *v1.IndexManifest) { x.Manifests[0].Digest = x.Manifests[1].Digest },
		"huge": func(x *v1.IndexManifest) {
			x.Manifests[1].Size = 1 << 62
		},
	} {
		t.Run(name, func(t *testing.T) {
			index := read()
			change(&index)
			put("2.0.0", index)
			// The name is that of 1.0.0, so what is right in itself is not, either.
			if _, err := pullTo(t, connect(t, ""), s.host()+"/shop:2.0.0"); err == nil {
				t.Error("no error")
			}
			put("1.0.0-forged", index)
		})
	}
	// An honest index under another version is another bundle.
	put("2.0.0", read())
	if _, err := pullTo(t, connect(t, ""), s.host()+"/shop:2.0.0"); err == nil || !strings.Contains(err.Error(), "another bundle under this name: Shop 1.0.0") {
		t.Errorf("error %v", err)
	}
	if got, err := pullTo(t, connect(t, ""), s.host()+"/shop:1.0.0"); err != nil || got != readFile(t, path) {
		t.Errorf("the honest one: %v", err)
	}
}

// TestUploadElsewhere does not send the bundle, or credentials, to another host.
func TestUploadElsewhere(t *testing.T) {
	var reached atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reached.Add(1)
		w.WriteHeader(http.StatusCreated)
	}))
	defer other.Close()
	for name, hook := range map[string]func(w http.ResponseWriter, r *http.Request) bool{
		"location": func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPost {
				return false
			}
			w.Header().Set("Location", other.URL+"/upload")
			w.WriteHeader(http.StatusAccepted)
			return true
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodGet || r.Method == http.MethodHead {
				return false
			}
			http.Redirect(w, r, other.URL+"/upload", http.StatusTemporaryRedirect)
			return true
		},
		"no location": func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPost {
				return false
			}
			w.WriteHeader(http.StatusAccepted)
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			s.answer(hook)
			if _, err := connect(t, "").Push(t.Context(), open(t, write(t, shop("1.0.0"))), s.host(), false); err == nil {
				t.Error("no error")
			}
		})
	}
	if n := reached.Load(); n > 0 {
		t.Errorf("another host got %d requests", n)
	}
}

// TestChangedManifest notices a registry that stores something else.
func TestChangedManifest(t *testing.T) {
	s := serve(t)
	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/manifests/") {
			return false
		}
		w.Header().Set("Docker-Content-Digest", "sha256:"+strings.Repeat("a", 64))
		w.WriteHeader(http.StatusCreated)
		return true
	})
	_, err := connect(t, "").Push(t.Context(), open(t, write(t, shop("1.0.0"))), s.host(), false)
	if err == nil || !strings.Contains(err.Error(), "the registry changed it") {
		t.Errorf("error %v", err)
	}
}

// TestEndlessLists are those of a registry that never comes to an end, or leads
// elsewhere.
func TestEndlessLists(t *testing.T) {
	var page atomic.Int64
	for name, answer := range map[string]func(w http.ResponseWriter){
		"pages": func(w http.ResponseWriter) {
			n := page.Add(1)
			w.Header().Set("Link", fmt.Sprintf(`</v2/_catalog?n=1&last=%d>; rel="next"`, n))
			_, _ = w.Write([]byte(`{"repositories":["a"]}`))
		},
		"elsewhere": func(w http.ResponseWriter) {
			w.Header().Set("Link", `<http://192.0.2.1/v2/_catalog>; rel="next"`)
			_, _ = w.Write([]byte(`{"repositories":["a"]}`))
		},
		"body": func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"x":"` + strings.Repeat("x", 5<<20) + `"}`)) },
		"html": func(w http.ResponseWriter) { _, _ = w.Write([]byte(`<html>`)) },
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			s.answer(func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/v2/_catalog" {
					return false
				}
				answer(w)
				return true
			})
			if listed, err := connect(t, "").List(t.Context(), s.host()); err == nil {
				t.Errorf("no error, but %v", listed)
			}
		})
	}
}

// TestNoCatalogue lists what is named where a registry does not list repositories.
func TestNoCatalogue(t *testing.T) {
	s, _ := pushed(t)
	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/v2/_catalog" {
			return false
		}
		w.WriteHeader(http.StatusNotFound)
		return true
	})
	connection := connect(t, "")
	if _, err := connection.List(t.Context(), s.host()); !errors.Is(err, hub.ErrNoCatalogue) {
		t.Errorf("error %v", err)
	}
	if listed, err := connection.List(t.Context(), s.host()+"/shop"); err != nil || len(listed) != 1 {
		t.Errorf("%v, %v", listed, err)
	}
}

// TestDamagedCache pulls again what a power failure damaged.
func TestDamagedCache(t *testing.T) {
	s, path := pushed(t)
	state := t.TempDir()
	if _, err := pullTo(t, connect(t, state), s.host()+"/shop:1.0.0"); err != nil {
		t.Fatal(err)
	}
	damage(t, state)
	got, err := pullTo(t, connect(t, state), s.host()+"/shop:1.0.0")
	if err != nil || got != readFile(t, path) {
		t.Errorf("from a damaged cache: %v", err)
	}
}

// TestInterrupted ends at once, and says why.
func TestInterrupted(t *testing.T) {
	s := serve(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.answer(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPatch {
			cancel()
		}
		return false
	})
	_, err := connect(t, "").Push(ctx, open(t, write(t, shop("1.0.0"))), s.host(), false)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if _, err := connect(t, "").Find(t.Context(), net.JoinHostPort("127.0.0.1", "1")+"/shop:1.0.0"); err == nil {
		t.Error("nobody is there, and no error")
	}
}

package hub_test

import (
	"encoding/json"
	"errors"
	"io"
	"log" //nolint:depguard // what servers of the library take
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"go.uber.org/goleak"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/hub"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/pull"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/signature"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fast is for tests that do not look at the time.
var fast = pull.Retry{Attempts: 4, Delay: time.Millisecond, Limit: 2 * time.Millisecond}

// maker makes images in memory, the same ones each time.
type maker struct {
	bundle.Memory
	random *rand.ChaCha8
}

func (m maker) layer(size int) v1.Descriptor {
	content := make([]byte, size)
	_, _ = m.random.Read(content)
	descriptor := m.Add(content)
	descriptor.MediaType = types.OCILayer
	return descriptor
}

func (m maker) image(layers ...v1.Descriptor) v1.Descriptor {
	file := v1.ConfigFile{Architecture: "amd64", OS: "linux", RootFS: v1.RootFS{Type: "layers"}}
	for _, layer := range layers {
		file.RootFS.DiffIDs = append(file.RootFS.DiffIDs, layer.Digest)
	}
	return m.json(types.OCIManifestSchema1, v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: m.json(types.OCIConfigJSON, file), Layers: layers,
	})
}

func (m maker) index(artifactType string, manifests ...v1.Descriptor) v1.Descriptor {
	descriptor := m.json(types.OCIImageIndex, v1.IndexManifest{
		SchemaVersion: 2, MediaType: types.OCIImageIndex, ArtifactType: artifactType, Manifests: manifests,
	})
	descriptor.ArtifactType = artifactType
	return descriptor
}

func (m maker) json(mediaType types.MediaType, value any) v1.Descriptor {
	content, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	descriptor := m.Add(content)
	descriptor.MediaType = mediaType
	return descriptor
}

// shop is a bundle of four megabytes with everything that one can have: a sparse
// image, a complete one of two platforms, layers that images share.
func shop(version string, more ...bundle.Image) bundle.Contents {
	m := maker{bundle.Memory{}, rand.NewChaCha8([32]byte{7})}
	base := m.layer(3 << 20)
	amd, arm := m.image(base, m.layer(5000)), m.image(m.layer(3))
	absent := v1.Descriptor{
		MediaType: types.OCIManifestSchema1, Size: 100,
		Digest: v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("e", 64)},
	}
	here := m.image(base)
	program := m.Add([]byte("#!/bin/sh\necho \"gravity $*\"\n"))
	sbom := m.Add([]byte(`{"spdxVersion":"SPDX-2.3"}`))
	resources := m.layer(10_000)
	kube := m.index(runtime.ArtifactType, m.image(base, m.layer(100_000)))
	return bundle.Contents{
		Name: "Shop", Version: version, Platform: v1.Platform{OS: "linux", Architecture: "amd64"},
		Manifest: []byte("apiVersion: bundle.gravitational.io/v2\nkind: Bundle\nmetadata:\n  name: Shop\n  resourceVersion: " + version + "\n"),
		Images: append([]bundle.Image{
			{Reference: "quay.example/team/web:2.0", Descriptor: m.index("", amd, arm)},
			{Reference: "docker.io/library/sparse:1", Descriptor: m.index("", here, absent), Present: []v1.Hash{here.Digest}},
		}, more...),
		Resources: &resources, Runtimes: []bundle.Runtime{{Version: "1.37.2", Descriptor: kube}},
		SBOM: &sbom, Gravity: &program, Source: m,
	}
}

// write writes a bundle, signed by keys.
func write(t testing.TB, contents bundle.Contents, keys ...signature.PrivateKey) string {
	t.Helper()
	draft, err := bundle.Plan(t.Context(), contents)
	if err == nil {
		err = draft.Sign(keys...)
	}
	path := filepath.Join(t.TempDir(), "shop.tar")
	if err == nil {
		_, err = draft.Write(t.Context(), path, bundle.Options{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t testing.TB, path string) *bundle.Bundle {
	t.Helper()
	opened, err := bundle.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = opened.Close() })
	return opened
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// connect opens a connection for the time of a test. An empty folder is a new one.
func connect(t testing.TB, stateDir string) *hub.Connection {
	t.Helper()
	if stateDir == "" {
		stateDir = t.TempDir()
	}
	connection := hub.Connect(hub.Options{Retry: fast, StateDir: stateDir, Parallel: 3})
	t.Cleanup(connection.Close)
	return connection
}

// pullTo pulls a bundle into a new file and returns its contents.
func pullTo(t testing.TB, connection *hub.Connection, reference string) (string, error) {
	t.Helper()
	remote, err := connection.Find(t.Context(), reference)
	if err != nil {
		return "", err
	}
	defer func() {
		if err := remote.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	path := filepath.Join(t.TempDir(), remote.FileName())
	if _, err := remote.Write(t.Context(), path, nil); err != nil {
		if _, statErr := os.Stat(path); !errors.Is(statErr, os.ErrNotExist) {
			t.Error("a file is left")
		}
		return "", err
	}
	return readFile(t, path), nil
}

// server is a registry that writes down what it is asked, and lets tests answer
// in its place.
type server struct {
	*httptest.Server
	registry http.Handler

	lock sync.Mutex
	seen []string
	hook func(w http.ResponseWriter, r *http.Request) bool
}

func serve(t testing.TB) *server {
	t.Helper()
	s := &server{registry: registry.New(registry.Logger(quiet()))}
	s.Server = httptest.NewUnstartedServer(s)
	s.Config.ErrorLog = quiet()
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.lock.Lock()
	hook := s.hook
	s.seen = append(s.seen, r.Method+" "+r.URL.Path)
	s.lock.Unlock()
	if hook == nil || !hook(w, r) {
		s.registry.ServeHTTP(w, r)
	}
}

// answer makes requests go to a hook first, which says whether it answered, and
// forgets what was asked before.
func (s *server) answer(hook func(w http.ResponseWriter, r *http.Request) bool) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.hook, s.seen = hook, nil
}

// requests returns those that begin with a text, but for those of logging in.
func (s *server) requests(prefix string) (found []string) {
	s.lock.Lock()
	defer s.lock.Unlock()
	for _, one := range s.seen {
		if strings.HasPrefix(one, prefix) && one != "GET /v2/" {
			found = append(found, one)
		}
	}
	return found
}

func (s *server) host() string { return strings.TrimPrefix(s.URL, "http://") }

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// damage changes a byte of every large blob in a cache.
func damage(t testing.TB, stateDir string) {
	t.Helper()
	folder := filepath.Join(stateDir, "blobs/sha256")
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		content := []byte(readFile(t, path))
		content[len(content)/2] ^= 1
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

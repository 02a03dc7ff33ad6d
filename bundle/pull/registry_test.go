package pull_test

import (
	"context"
	"errors"
	"io"
	"log" //nolint:depguard // what servers of the library take
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"go.uber.org/goleak"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/pull"
)

func TestMain(m *testing.M) {
	if folder := os.Getenv("PULL_TEST_CACHE"); folder != "" {
		os.Exit(pullAsProcess(folder, strings.Fields(os.Getenv("PULL_TEST_IMAGES"))))
	}
	goleak.VerifyTestMain(m)
}

// pullAsProcess is this test as another process.
func pullAsProcess(folder string, references []string) int {
	cache, err := pull.OpenCache(folder)
	if err == nil {
		wanted := requests(references...)
		if socket := os.Getenv("PULL_TEST_SOCKET"); socket != "" {
			wanted[0].From = pull.Daemon{Socket: socket}
		}
		_, err = cache.Pull(context.Background(), wanted, pull.Options{Retry: fast})
	}
	if err != nil {
		_, _ = os.Stderr.WriteString(err.Error() + "\n")
		return 1
	}
	return 0
}

// fast is for tests that do not look at the time.
var fast = pull.Retry{Attempts: 4, Delay: time.Millisecond, Limit: 2 * time.Millisecond}

// server is a registry that writes down what it is asked, and lets tests answer
// in its place.
type server struct {
	*httptest.Server
	registry http.Handler

	lock sync.Mutex
	seen []*http.Request
	hook func(w http.ResponseWriter, r *http.Request) bool
}

func serve(t testing.TB) *server {
	t.Helper()
	s := &server{registry: registry.New(registry.Logger(log.New(io.Discard, "", 0)))}
	s.Server = httptest.NewUnstartedServer(s)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.lock.Lock()
	hook := s.hook
	s.seen = append(s.seen, r)
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

// requests returns those whose method and path contain a text.
func (s *server) requests(part string) (found []*http.Request) {
	s.lock.Lock()
	defer s.lock.Unlock()
	for _, r := range s.seen {
		if strings.Contains(r.Method+" "+r.URL.Path, part) {
			found = append(found, r)
		}
	}
	return found
}

func (s *server) reference(path string) string {
	return strings.TrimPrefix(s.URL, "http://") + "/" + path
}

// push puts an image or index into the registry.
func (s *server) push(t testing.TB, path string, what remote.Taggable) string {
	t.Helper()
	reference, err := name.ParseReference(s.reference(path))
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	options := []remote.Option{remote.WithTransport(transport), remote.WithContext(t.Context())}
	switch what := what.(type) {
	case v1.ImageIndex:
		err = remote.WriteIndex(reference, what, options...)
	case v1.Image:
		err = remote.Write(reference, what, options...)
	default:
		err = remote.Put(reference, what, options...)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s.reference(path)
}

func image(t testing.TB, size, layers int64) v1.Image {
	t.Helper()
	image, err := random.Image(size, layers)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// derive returns an image with the layers of another on top.
func derive(t testing.TB, base, top v1.Image) v1.Image {
	t.Helper()
	layers, err := top.Layers()
	if err != nil {
		t.Fatal(err)
	}
	derived, err := mutate.AppendLayers(base, layers...)
	if err != nil {
		t.Fatal(err)
	}
	return derived
}

// index lists an image for each platform.
func index(t testing.TB, platforms ...string) v1.ImageIndex {
	t.Helper()
	listed, err := random.Index(1, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range platforms {
		platform, err := v1.ParsePlatform(text)
		if err != nil {
			t.Fatal(err)
		}
		listed = mutate.AppendManifests(listed, mutate.IndexAddendum{
			Add: image(t, 1000, 2), Descriptor: v1.Descriptor{Platform: platform},
		})
	}
	return listed
}

func requests(references ...string) (wanted []pull.Request) {
	for _, reference := range references {
		wanted = append(wanted, pull.Request{Reference: reference})
	}
	return wanted
}

func cacheOf(t testing.TB, folder string) *pull.Cache {
	t.Helper()
	cache, err := pull.OpenCache(folder)
	if err != nil {
		t.Fatal(err)
	}
	return cache
}

// mustPull pulls and checks every blob that the result lists.
func mustPull(t testing.TB, cache *pull.Cache, options pull.Options, references ...string) []pull.Image {
	t.Helper()
	if options.Retry == (pull.Retry{}) {
		options.Retry = fast
	}
	images, err := cache.Pull(t.Context(), requests(references...), options)
	if err != nil {
		t.Fatal(err)
	}
	for _, image := range images {
		for _, blob := range image.Blobs {
			checkBlob(t, cache, blob)
		}
	}
	return images
}

func checkBlob(t testing.TB, cache *pull.Cache, blob v1.Descriptor) {
	t.Helper()
	file, err := cache.Open(t.Context(), blob.Digest)
	if err != nil {
		t.Error(err)
		return
	}
	defer file.Close()
	digest, size, err := v1.SHA256(file)
	if err != nil || digest != blob.Digest || size != blob.Size {
		t.Errorf("blob %s of %d bytes has digest %s and %d bytes, error %v", blob.Digest, blob.Size, digest, size, err)
	}
}

// failure pulls one image and returns how that fails.
func failure(t testing.TB, folder, reference string) *pull.Error {
	t.Helper()
	_, err := cacheOf(t, folder).Pull(t.Context(), requests(reference), pull.Options{Retry: fast})
	var failed *pull.Error
	if !errors.As(err, &failed) {
		t.Fatalf("error %v", err)
	}
	if failed.Reference != reference || failed.Action == "" {
		t.Errorf("error %+v", failed)
	}
	return failed
}

// layer returns the first layer of an image, with its contents.
func layer(t testing.TB, image v1.Image) (v1.Descriptor, []byte) {
	t.Helper()
	manifest, err := image.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	reader, err := layers[0].Compressed()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	content, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return manifest.Layers[0], content
}

package pull_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/pull"
)

func TestNestedIndexes(t *testing.T) {
	s := serve(t)
	nested, err := random.Index(100, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	for depth := 1; depth <= pull.MaxDepth+1; depth++ {
		reference := s.push(t, "nested:1", nested)
		if depth <= pull.MaxDepth {
			if got := mustPull(t, cacheOf(t, t.TempDir()), pull.Options{AllPlatforms: true}, reference)[0]; len(got.Blobs) != depth+3 {
				t.Errorf("%d blobs at depth %d", len(got.Blobs), depth)
			}
		} else if err := failure(t, t.TempDir(), reference); !strings.Contains(err.Error(), "more than 4 deep") {
			t.Errorf("error %v", err)
		}
		nested = mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: nested})
	}
}

// TestForeignLayers has a layer that the registry does not have.
func TestForeignLayers(t *testing.T) {
	s := serve(t)
	content := []byte("not distributable")
	foreign := static.NewLayer(content, types.DockerForeignLayer)
	other := serve(t)
	other.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") != "" {
			t.Error("credentials were sent elsewhere")
		}
		_, _ = w.Write(content)
		return true
	})
	for address, message := range map[string]string{other.URL + "/layer": "", "file:///etc/passwd": "is no URL of HTTP"} {
		with, err := mutate.Append(image(t, 100, 1), mutate.Addendum{Layer: foreign, URLs: []string{address}, MediaType: types.DockerForeignLayer})
		if err != nil {
			t.Fatal(err)
		}
		reference := s.push(t, "windows:1", with)
		if message == "" {
			mustPull(t, cacheOf(t, t.TempDir()), pull.Options{}, reference)
			if n := len(other.requests("GET /layer")); n != 1 {
				t.Errorf("%d requests of the URL", n)
			}
		} else if err := failure(t, t.TempDir(), reference); !strings.Contains(err.Error(), message) {
			t.Errorf("error %v", err)
		}
	}
}

func TestProgress(t *testing.T) {
	s := serve(t)
	a, b := s.push(t, "a:1", image(t, 100_000, 2)), s.reference("missing:1")
	var lock sync.Mutex
	states := map[string][]pull.State{}
	var last pull.Event
	watch := progressFunc(func(event pull.Event) {
		lock.Lock()
		defer lock.Unlock()
		if event.Reference != "" {
			states[event.Reference] = append(states[event.Reference], event.State)
		}
		last = event
	})
	_, err := cacheOf(t, t.TempDir()).Pull(t.Context(), requests(a, b), pull.Options{Progress: watch, Retry: fast})
	if err == nil || last.Done != last.Total || last.Total < 200_000 {
		t.Errorf("error %v, last %+v", err, last)
	}
	if got := states[a]; len(got) != 3 || got[2] != pull.Complete {
		t.Errorf("states %v", got)
	}
	if got := states[b]; len(got) != 2 || got[1] != pull.Failed {
		t.Errorf("states %v", got)
	}
}

package bootstrap

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
)

// api is as much of a Kubernetes API as joins need: objects by their paths, with
// versions that keep two writers apart.
type api struct {
	mu      sync.Mutex
	objects map[string]map[string]any
	version int
}

func newAPI(t *testing.T) (*api, *kube.Client) {
	t.Helper()
	a := &api{objects: make(map[string]map[string]any)}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	client, err := kube.New(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return a, client
}

// put stores an object of the core API below a path.
func (a *api) put(path, kind string, object map[string]any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.store(path, kind, object)
}

func (a *api) store(path, kind string, object map[string]any) {
	a.version++
	metadata, _ := object["metadata"].(map[string]any)
	if metadata == nil {
		metadata = map[string]any{}
	}
	metadata["name"] = path[strings.LastIndexByte(path, '/')+1:]
	metadata["resourceVersion"] = strconv.Itoa(a.version)
	object["apiVersion"], object["kind"], object["metadata"] = "v1", kind, metadata
	a.objects[path] = object
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/api/v1/")
	object, found := a.objects[path]
	var sent map[string]any
	if r.Method == http.MethodPost || r.Method == http.MethodPut {
		if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
			fail(w, http.StatusBadRequest)
			return
		}
		kind, _ := sent["kind"].(string)
		metadata, _ := sent["metadata"].(map[string]any)
		name, _ := metadata["name"].(string)
		if r.Method == http.MethodPost {
			path += "/" + name
			if _, exists := a.objects[path]; exists {
				fail(w, http.StatusConflict)
				return
			}
		} else if old, _ := object["metadata"].(map[string]any); metadata["resourceVersion"] != old["resourceVersion"] {
			fail(w, http.StatusConflict)
			return
		}
		a.store(path, kind, sent)
		object, found = sent, true
	}
	if r.Method == http.MethodPatch && found {
		if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
			fail(w, http.StatusBadRequest)
			return
		}
		data, _ := object["data"].(map[string]any)
		if data == nil {
			data = map[string]any{}
		}
		changes, _ := sent["data"].(map[string]any)
		for name, value := range changes {
			if data[name] = value; value == nil {
				delete(data, name)
			}
		}
		object["data"] = data
	}
	if r.Method == http.MethodDelete {
		delete(a.objects, path)
	}
	if !found {
		var items []any
		for name, object := range a.objects {
			if strings.HasPrefix(name, path+"/") {
				items = append(items, object)
			}
		}
		if items == nil && path != "nodes" && !strings.HasSuffix(path, "/secrets") {
			fail(w, http.StatusNotFound)
			return
		}
		object = map[string]any{"apiVersion": "v1", "kind": "List", "metadata": map[string]any{}, "items": items}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(object)
}

func fail(w http.ResponseWriter, code int) {
	reasons := map[int]string{http.StatusNotFound: "NotFound", http.StatusConflict: "Conflict", http.StatusBadRequest: "BadRequest"}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": reasons[code], "code": code,
	})
}

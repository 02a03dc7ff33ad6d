// Package kubetest is as much of a Kubernetes API as tests of one package need, in
// the process: objects by their paths, with versions that keep two writers apart.
package kubetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// API is the core API. Paths of objects are those below /api/v1/, such as
// namespaces/default/secrets/NAME.
type API struct {
	// Refuse has requests that are refused, such as "PATCH nodes/node-1".
	Refuse []string
	// Before is called before each request, which it is told of in the same way: as by
	// another writer. It may be nil.
	Before func(request string)
	// URL is where it serves.
	URL string

	mu      sync.Mutex
	objects map[string]map[string]any
	version int
}

// New serves until the test ends.
func New(t *testing.T) *API {
	t.Helper()
	a := &API{objects: make(map[string]map[string]any)}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	a.URL = server.URL
	return a
}

// Lead lets a node's state folder lead to an API server, and returns a client by it.
func Lead(t *testing.T, p paths.Paths, url string) *kube.Client {
	t.Helper()
	file := p.KubernetesFile("admin.conf")
	config := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","clusters":[{"name":"c","cluster":{"server":%q}}],`+
		`"contexts":[{"name":"c","context":{"cluster":"c"}}],"current-context":"c"}`, url)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	client, err := kube.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// Put stores an object, as another writer would.
func (a *API) Put(path, kind string, object map[string]any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.store(path, kind, object)
}

const configMaps = "namespaces/gravity-system/configmaps/"

// PutData stores a ConfigMap of Gravity's.
func (a *API) PutData(name string, data map[string]any) {
	a.Put(configMaps+name, "ConfigMap", map[string]any{"data": data})
}

// Value is one of a ConfigMap of Gravity's; empty if there is none.
func (a *API) Value(name, key string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	data, _ := a.objects[configMaps+name]["data"].(map[string]any)
	value, _ := data[key].(string)
	return value
}

func (a *API) store(path, kind string, object map[string]any) {
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

// ServeHTTP answers a request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/api/v1/")
	if a.Before != nil {
		a.Before(r.Method + " " + path)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	code, object := a.answer(r, path)
	w.Header().Set("Content-Type", "application/json")
	if code != http.StatusOK {
		reason := map[int]string{http.StatusNotFound: "NotFound", http.StatusConflict: "Conflict", http.StatusUnprocessableEntity: "Invalid"}[code]
		object = map[string]any{
			"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": reason, "code": code, "message": "refused " + path,
		}
	}
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(object)
}

// lists tells whether a path is that of all objects of a kind. A ConfigMap may be called
// nodes.
func lists(path string) bool {
	folder, name := filepath.Split(path)
	return slices.Contains([]string{"nodes", "pods", "secrets"}, name) && filepath.Base(folder) != "configmaps"
}

func (a *API) answer(r *http.Request, path string) (int, map[string]any) {
	var sent map[string]any
	_ = json.NewDecoder(r.Body).Decode(&sent)
	object, found := a.objects[path]
	kind, _ := sent["kind"].(string)
	metadata, _ := sent["metadata"].(map[string]any)
	switch {
	case slices.Contains(a.Refuse, r.Method+" "+path):
		return http.StatusUnprocessableEntity, nil
	case r.Method == http.MethodPost:
		name, _ := metadata["name"].(string)
		if _, exists := a.objects[path+"/"+name]; exists {
			return http.StatusConflict, nil
		}
		a.store(path+"/"+name, kind, sent)
		return http.StatusOK, sent
	case lists(path):
		return http.StatusOK, a.list(path)
	case !found:
		return http.StatusNotFound, nil
	case r.Method == http.MethodPut:
		if old, _ := object["metadata"].(map[string]any); metadata["resourceVersion"] != old["resourceVersion"] {
			return http.StatusConflict, nil
		}
		a.store(path, kind, sent)
		return http.StatusOK, sent
	case r.Method == http.MethodPatch:
		merge(object, sent)
	case r.Method == http.MethodDelete:
		delete(a.objects, path)
	}
	return http.StatusOK, object
}

func (a *API) list(path string) map[string]any {
	items := []any{}
	for name, object := range a.objects {
		if strings.HasPrefix(name, path+"/") {
			items = append(items, object)
		}
	}
	return map[string]any{"apiVersion": "v1", "kind": "List", "metadata": map[string]any{}, "items": items}
}

// merge is a merge patch.
func merge(object, patch map[string]any) {
	for name, value := range patch {
		child, isMap := value.(map[string]any)
		existing, _ := object[name].(map[string]any)
		switch {
		case value == nil:
			delete(object, name)
		case isMap && existing != nil:
			merge(existing, child)
		default:
			object[name] = value
		}
	}
}

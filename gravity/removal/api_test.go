package removal

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

const configMaps = "namespaces/gravity-system/configmaps/"

// api is as much of a Kubernetes API as removals need: objects by their paths, with
// versions that keep two writers apart.
type api struct {
	mu      sync.Mutex
	objects map[string]map[string]any
	version int
	// refuse has requests that are refused, such as "PATCH nodes/node-1".
	refuse []string
	// before is called before each request, as by another writer.
	before func(request string)
}

// newAPI serves, and lets a node's state folder lead to it.
func newAPI(t *testing.T) (*api, *kube.Client, paths.Paths) {
	t.Helper()
	a := &api{objects: map[string]map[string]any{}}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	p := paths.Paths{Root: t.TempDir()}
	leadTo(t, p, server.URL)
	client, err := kube.Open(p.KubernetesFile("admin.conf"))
	if err != nil {
		t.Fatal(err)
	}
	return a, client, p
}

// leadTo lets a node's state folder lead to an API server.
func leadTo(t *testing.T, p paths.Paths, url string) {
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
}

// data stores a ConfigMap of Gravity's, as another writer would.
func (a *api) data(name string, data map[string]any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.store(configMaps+name, "ConfigMap", map[string]any{"data": data})
}

// value is one of a ConfigMap.
func (a *api) value(name, key string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	data, _ := a.objects[configMaps+name]["data"].(map[string]any)
	value, _ := data[key].(string)
	return value
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
	path := strings.TrimPrefix(r.URL.Path, "/api/v1/")
	if a.before != nil {
		a.before(r.Method + " " + path)
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

func (a *api) answer(r *http.Request, path string) (int, map[string]any) {
	var sent map[string]any
	_ = json.NewDecoder(r.Body).Decode(&sent)
	object, found := a.objects[path]
	switch {
	case slices.Contains(a.refuse, r.Method+" "+path):
		return http.StatusUnprocessableEntity, nil
	case r.Method == http.MethodPost:
		metadata, _ := sent["metadata"].(map[string]any)
		name, _ := metadata["name"].(string)
		if _, exists := a.objects[path+"/"+name]; exists {
			return http.StatusConflict, nil
		}
		a.store(path+"/"+name, "ConfigMap", sent)
		return http.StatusOK, sent
	case path == "nodes" || path == "pods":
		items := []any{}
		for name, object := range a.objects {
			if strings.HasPrefix(name, path+"/") {
				items = append(items, object)
			}
		}
		return http.StatusOK, map[string]any{"apiVersion": "v1", "kind": "List", "metadata": map[string]any{}, "items": items}
	case !found:
		return http.StatusNotFound, nil
	case r.Method == http.MethodPut:
		old, _ := object["metadata"].(map[string]any)
		if metadata, _ := sent["metadata"].(map[string]any); metadata["resourceVersion"] != old["resourceVersion"] {
			return http.StatusConflict, nil
		}
		a.store(path, "ConfigMap", sent)
		return http.StatusOK, sent
	case r.Method == http.MethodPatch:
		merge(object, sent)
	case r.Method == http.MethodDelete:
		delete(a.objects, path)
	}
	return http.StatusOK, object
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

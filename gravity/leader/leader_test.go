package leader

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
)

// api is an API server that keeps objects, as far as an election needs one.
type api struct {
	mu      sync.Mutex
	objects map[string]map[string]any
	version int
	// deaf are clients that it does not answer.
	deaf map[string]bool
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.deaf[r.Header.Get("Authorization")] {
		w.WriteHeader(http.StatusGatewayTimeout)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fail := func(code int, reason string) {
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"code":%d}`, reason, code)
	}
	if list, ok := discovery[r.URL.Path]; ok {
		fmt.Fprint(w, list)
		return
	}
	var sent map[string]any
	if r.Method != http.MethodGet {
		if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
			fail(http.StatusBadRequest, "BadRequest")
			return
		}
	}
	path := r.URL.Path
	if r.Method == http.MethodPost {
		path += "/" + Name
	}
	old, found := a.objects[path]
	switch {
	case r.Method == http.MethodPost && found:
		fail(http.StatusConflict, "AlreadyExists")
		return
	case !found && (r.Method == http.MethodGet || r.Method == http.MethodPut):
		fail(http.StatusNotFound, "NotFound")
		return
	case r.Method == http.MethodPut && versionOf(sent) != versionOf(old):
		fail(http.StatusConflict, "Conflict")
		return
	}
	if r.Method != http.MethodGet {
		a.version++
		sent["metadata"].(map[string]any)["resourceVersion"] = fmt.Sprint(a.version)
		a.objects[path] = sent
	}
	_ = json.NewEncoder(w).Encode(a.objects[path])
}

func versionOf(object map[string]any) string {
	metadata, _ := object["metadata"].(map[string]any)
	version, _ := metadata["resourceVersion"].(string)
	return version
}

var discovery = map[string]string{
	"/api":  `{"kind":"APIVersions","versions":["v1"]}`,
	"/apis": `{"kind":"APIGroupList","apiVersion":"v1","groups":[{"name":"discovery.k8s.io","versions":[{"groupVersion":"discovery.k8s.io/v1","version":"v1"}],"preferredVersion":{"groupVersion":"discovery.k8s.io/v1","version":"v1"}}]}`,
	"/api/v1": `{"kind":"APIResourceList","groupVersion":"v1","resources":[` +
		`{"name":"services","namespaced":true,"kind":"Service","verbs":["patch"]}]}`,
	"/apis/discovery.k8s.io/v1": `{"kind":"APIResourceList","groupVersion":"discovery.k8s.io/v1","resources":[` +
		`{"name":"endpointslices","namespaced":true,"kind":"EndpointSlice","verbs":["patch"]}]}`,
}

func (a *api) client(t *testing.T, server *httptest.Server, name string) *kube.Client {
	t.Helper()
	client, err := kube.New(&rest.Config{Host: server.URL, BearerToken: name})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// ruler counts who leads.
type ruler struct {
	mu      sync.Mutex
	leading []string
	most    int
}

func (r *ruler) lead(name string) func(context.Context) {
	return func(ctx context.Context) {
		r.mu.Lock()
		r.leading = append(r.leading, name)
		r.most = max(r.most, len(r.leading))
		r.mu.Unlock()
		<-ctx.Done()
		r.mu.Lock()
		r.leading = slices.DeleteFunc(r.leading, func(other string) bool { return other == name })
		r.mu.Unlock()
	}
}

func (r *ruler) await(t *testing.T, likes func(leading []string) bool) string {
	t.Helper()
	for range 3000 {
		r.mu.Lock()
		leading := slices.Clone(r.leading)
		r.mu.Unlock()
		if likes(leading) {
			return strings.Join(leading, " ")
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("the leaders are %q", r.leading)
	return ""
}

// TestElection wants one leader at a time: another one when the leader ends, and
// when it reaches the API servers no more.
func TestElection(t *testing.T) {
	a := &api{objects: map[string]map[string]any{}, deaf: map[string]bool{}}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	r := &ruler{}
	stops := map[string]context.CancelFunc{}
	elected := map[string]*[]string{}
	var running sync.WaitGroup
	for _, name := range []string{"node-1", "node-2", "node-3"} {
		ctx, stop := context.WithCancel(t.Context())
		stops[name] = stop
		client := a.client(t, server, name)
		attempts := 0
		seen := &[]string{}
		elected[name] = seen
		e := &Elector{
			Elected:  func(leader string) { *seen = append(*seen, leader) },
			Identity: name, Lead: r.lead(name), Log: slog.New(slog.DiscardHandler),
			Client: func() (*kube.Client, error) {
				if attempts++; attempts < 3 {
					return nil, errors.New("the cluster is being installed")
				}
				return client, nil
			},
			terms: terms{lease: 2 * time.Second, renew: time.Second, retry: 20 * time.Millisecond},
		}
		running.Go(func() { _ = e.Run(ctx) })
	}
	one := func(leading []string) bool { return len(leading) == 1 }
	first := r.await(t, one)
	stops[first]()
	another := func(not ...string) func([]string) bool {
		return func(leading []string) bool { return len(leading) == 1 && !slices.Contains(not, leading[0]) }
	}
	second := r.await(t, another(first))
	a.mu.Lock()
	a.deaf["Bearer "+second] = true
	a.mu.Unlock()
	third := r.await(t, another(first, second))
	if r.most != 1 {
		t.Errorf("%d led at a time", r.most)
	}
	for _, stop := range stops {
		stop()
	}
	running.Wait()
	if seen := *elected[third]; len(seen) == 0 || seen[len(seen)-1] != third || len(slices.Compact(slices.Clone(seen))) != len(seen) {
		t.Errorf("%s saw the leaders %q", third, seen)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	spec := a.objects["/apis/coordination.k8s.io/v1/namespaces/gravity-system/leases/leader"]["spec"].(map[string]any)
	if spec["holderIdentity"] != "" {
		t.Errorf("%s keeps the lease: %v", third, spec)
	}
}

// TestFollower wants the service to have the masters that serve, and those of
// before when none does.
func TestFollower(t *testing.T) {
	a := &api{objects: map[string]map[string]any{}, deaf: map[string]bool{}}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	masters := []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.1")}
	var mu sync.Mutex
	down := map[string]bool{}
	client := a.client(t, server, "node-1")
	f := Follower{
		Client:  func() (*kube.Client, error) { return client, nil },
		Masters: func() ([]netip.Addr, error) { return masters, nil },
		Check: func(_ context.Context, address string) error {
			mu.Lock()
			defer mu.Unlock()
			if down[address] {
				return errors.New("down")
			}
			return nil
		},
		Log: slog.New(slog.DiscardHandler),
	}
	addresses := func() string {
		a.mu.Lock()
		defer a.mu.Unlock()
		slice := a.objects["/apis/discovery.k8s.io/v1/namespaces/gravity-system/endpointslices/leader"]
		endpoints, _ := slice["endpoints"].([]any)
		var found []string
		for _, endpoint := range endpoints {
			found = append(found, fmt.Sprint(endpoint.(map[string]any)["addresses"]))
		}
		return strings.Join(found, "")
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { f.Run(ctx) })
	for _, step := range []struct {
		down []string
		want string
	}{
		{nil, "[10.0.0.1][10.0.0.2]"},
		{[]string{"10.0.0.1:6443"}, "[10.0.0.2]"},
		{[]string{"10.0.0.1:6443", "10.0.0.2:6443"}, "[10.0.0.2]"},
		{nil, "[10.0.0.1][10.0.0.2]"},
	} {
		mu.Lock()
		clear(down)
		for _, address := range step.down {
			down[address] = true
		}
		mu.Unlock()
		for range 3000 {
			if addresses() == step.want {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if got := addresses(); got != step.want {
			t.Errorf("with %s down the service has %s, want %s", step.down, got, step.want)
		}
	}
	stop()
	running.Wait()
}

package cluster

import (
	"io"
	"log" //nolint:depguard // what servers of the library take
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/hub"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/pull"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cachedir"
	"github.com/gravity-platform/terraform-provider-gravity/provider/bundles"
	"github.com/gravity-platform/terraform-provider-gravity/provider/operation"
)

// testHub is a registry in this process.
type testHub struct {
	*httptest.Server
	// requests counts them, but for those of logging in.
	requests atomic.Int64
}

func serveHub(t *testing.T, secure bool) *testHub {
	t.Helper()
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	t.Setenv(cachedir.Variable, t.TempDir())
	quiet := log.New(io.Discard, "", 0)
	handler := registry.New(registry.Logger(quiet))
	h := &testHub{}
	h.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" {
			h.requests.Add(1)
		}
		handler.ServeHTTP(w, r)
	}))
	h.Config.ErrorLog = quiet
	if secure {
		h.StartTLS()
	} else {
		h.Start()
	}
	t.Cleanup(h.Close)
	return h
}

func (h *testHub) host() string { return h.Listener.Addr().String() }

// push pushes a bundle as HOST/team/shop:VERSION, in place of another one, and returns
// what the registry calls its digest.
func (h *testHub) push(t *testing.T, path string) (digest string) {
	t.Helper()
	opened, err := bundle.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	connection := hub.Connect(hub.Options{Insecure: []string{h.host()}})
	defer connection.Close()
	pushed, err := connection.Push(t.Context(), opened, h.host()+"/team", true)
	if err != nil {
		t.Fatal(err)
	}
	return pushed.Digest.String()
}

func TestHub(t *testing.T) {
	for name, secure := range map[string]bool{"HTTP": false, "HTTPS": true} {
		t.Run(name, func(t *testing.T) {
			h, ours := serveHub(t, secure), generate(t)
			path, digest := writeBundle(t, "1.0.0", ours)
			pinnedTo := h.push(t, path)
			tagged, exact := bundles.HubScheme+h.host()+"/team/shop:1.0.0", bundles.HubScheme+h.host()+"/team/shop@"+pinnedTo
			reached := hubs{bundles.Hubs{Insecure: []string{h.host()}, Retry: pull.Retry{Attempts: 2, Delay: time.Millisecond}}}
			for _, name := range []string{tagged, exact} {
				plan := model{Bundle: types.StringValue(name), SignedBy: keyList(ours), Role: types.StringValue("worker")}
				var problems diag.Diagnostics
				before := h.requests.Load()
				reached.planBundle(t.Context(), &plan, nil, &problems)
				if len(problems) > 0 || plan.BundleDigest.ValueString() != digest || plan.Bundle.ValueString() != name {
					t.Errorf("%s is %s, %v", plan.Bundle, plan.BundleDigest, problems)
				}
				if asked := h.requests.Load() - before; asked > 5 {
					t.Errorf("it asks %d times", asked)
				}
			}
			for want, change := range map[string]func(*model){
				"it is signed by": func(m *model) { m.SignedBy = keyList(generate(t)) },
				"did you mean":    func(m *model) { m.Role = types.StringValue("workers") },
				"tele ls":         func(m *model) { m.Bundle = types.StringValue(strings.Replace(tagged, "1.0.0", "1.0.9", 1)) },
			} {
				wantProblem(t, planned(t, reached, tagged, change), diag.SeverityError, want)
			}
			testFetch(t, h, reached, path, strings.TrimPrefix(tagged, bundles.HubScheme), digest)
			testMoved(t, h, reached, tagged, exact, digest)
		})
	}
}

// testFetch: a bundle is fetched once, and is what was pushed.
func testFetch(t *testing.T, h *testHub, reached hubs, path, reference, digest string) {
	t.Helper()
	old, err := cachedir.Path("bundles")
	if err == nil {
		err = os.MkdirAll(old, 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	old = filepath.Join(old, strings.Repeat("a", 64)+".tar")
	long := time.Now().Add(-2 * keepUnused)
	if err := os.WriteFile(old, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(old, long, long); err != nil {
		t.Fatal(err)
	}
	fetched, err := reached.fetch(t.Context(), reference, digest)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := os.ReadFile(path)
	if got, err := os.ReadFile(fetched); err != nil || string(got) != string(want) {
		t.Errorf("what was fetched is not what was pushed: %v", err)
	}
	before := h.requests.Load()
	if again, err := reached.fetch(t.Context(), reference, digest); err != nil || again != fetched || h.requests.Load() != before {
		t.Errorf("fetched again: %s, %v, %d requests", again, err, h.requests.Load()-before)
	}
	if _, err := os.Stat(old); err == nil {
		t.Error("what nobody uses stays")
	}
	// A file that is damaged is made again.
	if err := os.WriteFile(fetched, want[:len(want)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := reached.fetch(t.Context(), reference, digest); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(fetched); err != nil || string(got) != string(want) {
		t.Errorf("what was damaged was not made again: %v", err)
	}
}

// testMoved: a version that leads to another bundle is another bundle, and a digest
// never does.
func testMoved(t *testing.T, h *testHub, reached hubs, tagged, exact, digest string) {
	t.Helper()
	installed := func(name string) *model {
		return &model{
			Name: types.StringValue("shop"), AdvertiseAddress: types.StringValue("10.0.0.1"), Bundle: types.StringValue(name),
			BundleDigest: types.StringValue(digest), OperationStatus: types.StringValue(operation.Completed),
		}
	}
	again := func(name string) (problems diag.Diagnostics) {
		plan := *installed(name)
		reached.planBundle(t.Context(), &plan, installed(name), &problems)
		if !problems.HasError() && (plan.Bundle.ValueString() != name || plan.BundleDigest.ValueString() != digest) {
			t.Errorf("%s is %s now", plan.Bundle, plan.BundleDigest)
		}
		return problems
	}
	for _, name := range []string{tagged, exact} {
		wantProblem(t, again(name), diag.SeverityError, "")
	}
	other, _ := writeProgram(t, "1.0.0", "#!/bin/sh\necho another\n")
	h.push(t, other)
	wantProblem(t, again(tagged), diag.SeverityError, "Upgrades are not supported yet")
	before := h.requests.Load()
	if wantProblem(t, again(exact), diag.SeverityError, ""); h.requests.Load() != before {
		t.Error("the hub was asked what a digest leads to")
	}
	if _, err := reached.fetch(t.Context(), strings.TrimPrefix(tagged, bundles.HubScheme), strings.Replace(digest, digest[7:9], "00", 1)); err == nil ||
		!strings.Contains(err.Error(), "is another bundle now") {
		t.Errorf("a version that leads elsewhere since the plan: %v", err)
	}
	h.Close()
	wantProblem(t, again(tagged), diag.SeverityWarning, "taken to have the bundle of this name")
	wantProblem(t, again(exact), diag.SeverityError, "")
	wantProblem(t, planned(t, reached, tagged, nil), diag.SeverityError, "can be reached")
	imported := installed(digest)
	plan := *installed(tagged)
	var problems diag.Diagnostics
	reached.planBundle(t.Context(), &plan, imported, &problems)
	wantProblem(t, problems, diag.SeverityWarning, "taken to have the bundle of this name")
	if !plan.Bundle.Equal(imported.Bundle) {
		t.Errorf("an import has the bundle %s", plan.Bundle)
	}
}

// TestInsecureHub: what to do about a hub that nobody vouches for is said in terms of
// the provider.
func TestInsecureHub(t *testing.T) {
	h := serveHub(t, true)
	path, _ := writeBundle(t, "1.0.0")
	h.push(t, path)
	wantProblem(t, planned(t, hubs{}, bundles.HubScheme+h.host()+"/team/shop:1.0.0", nil), diag.SeverityError, "insecure_hubs")
}

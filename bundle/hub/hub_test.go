package hub_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/hub"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/signature"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/trust"
)

func generate(t testing.TB) signature.PrivateKey {
	t.Helper()
	key, err := signature.Generate(signature.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestLibraryRegistry(t *testing.T) {
	testRegistry(t, serve(t).host())
}

// testRegistry is what holds with every registry.
func testRegistry(t *testing.T, host string) {
	prefix := host + "/team"
	connection := connect(t, "")
	push := func(path string, force bool) (*hub.Pushed, error) {
		return connection.Push(t.Context(), open(t, path), prefix, force)
	}
	mustPush := func(path string, force bool) *hub.Pushed {
		t.Helper()
		pushed, err := push(path, force)
		if err != nil {
			t.Fatal(err)
		}
		return pushed
	}
	plain, signed := write(t, shop("1.2.3+b1")), write(t, shop("1.2.3+b1"), generate(t))
	next := write(t, shop("1.3.0"))

	pushed := mustPush(plain, false)
	if pushed.Reference != prefix+"/shop:1.2.3_b1" || pushed.Unchanged || pushed.Sent < 3<<20 {
		t.Errorf("pushed %+v", pushed)
	}
	if again := mustPush(plain, false); !again.Unchanged || again.Digest != pushed.Digest || again.Sent != 0 {
		t.Errorf("pushed again: %+v", again)
	}
	if forced := mustPush(plain, true); forced.Unchanged || forced.Sent != 0 {
		t.Errorf("pushed by force: %+v", forced)
	}
	got, err := pullTo(t, connect(t, ""), prefix+"/shop:1.2.3+b1")
	if err != nil || got != readFile(t, plain) {
		t.Fatalf("what was pulled is not what was pushed: %v", err)
	}

	// A signature is added; another bundle does not take the place.
	if pushed := mustPush(signed, false); pushed.Sent > 100_000 {
		t.Errorf("a signature costs %d bytes", pushed.Sent)
	}
	if got, err := pullTo(t, connection, prefix+"/shop:1.2.3_b1"); err != nil || got != readFile(t, signed) {
		t.Errorf("what was pulled is not what was signed: %v", err)
	}
	other := shop("1.2.3+b1")
	other.Images = other.Images[:1]
	if _, err := push(write(t, other), false); !errors.Is(err, hub.ErrExists) {
		t.Errorf("another bundle: %v", err)
	}
	mustPush(write(t, other), true)

	// The next version shares what it can.
	if pushed := mustPush(next, false); pushed.Sent > 50_000 {
		t.Errorf("the next version costs %d bytes", pushed.Sent)
	}
	versions, err := connection.Versions(t.Context(), prefix+"/shop")
	if err != nil || !slices.Equal(versions, []string{"1.3.0", "1.2.3_b1"}) {
		t.Errorf("versions %v, %v", versions, err)
	}
	for _, where := range []string{host, prefix, prefix + "/shop"} {
		listed, err := connection.List(t.Context(), where)
		if err != nil || len(listed) != 2 {
			t.Fatalf("%s lists %+v, %v", where, listed, err)
		}
		b := open(t, next)
		want := hub.Listed{
			Reference: prefix + "/shop:1.3.0", Name: "Shop", Version: "1.3.0", Runtime: "1.37.2", Digest: b.Digest().String(), Size: b.Size(),
		}
		if diff := cmp.Diff(want, listed[0]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", where, diff)
		}
	}
	if listed, err := connection.List(t.Context(), host+"/tea"); err != nil || len(listed) != 0 {
		t.Errorf("another prefix lists %v, %v", listed, err)
	}

	if removed, err := connection.Remove(t.Context(), prefix+"/shop:1.3.0"); err != nil || removed.Version != "1.3.0" {
		t.Fatalf("remove: %+v, %v", removed, err)
	}
	for name, do := range map[string]func() error{
		"find":   func() error { _, err := connection.Find(t.Context(), prefix+"/shop:1.3.0"); return err },
		"remove": func() error { _, err := connection.Remove(t.Context(), prefix+"/shop:1.3.0"); return err },
	} {
		if err := do(); err == nil || !strings.Contains(err.Error(), "MANIFEST_UNKNOWN") && !strings.Contains(err.Error(), "404") {
			t.Errorf("%s of what was removed: %v", name, err)
		}
	}
	if listed, err := connection.List(t.Context(), host); err != nil || len(listed) != 1 {
		t.Errorf("after removing: %v, %v", listed, err)
	}
	// What is gone is pushed again.
	mustPush(next, false)
	if got, err := pullTo(t, connect(t, ""), prefix+"/shop:1.3.0"); err != nil || got != readFile(t, next) {
		t.Errorf("pushed again after removing: %v", err)
	}
}

// TestUnchangedPush is one request beside logging in.
func TestUnchangedPush(t *testing.T) {
	s := serve(t)
	b := open(t, write(t, shop("1.0.0")))
	connection := connect(t, "")
	if _, err := connection.Push(t.Context(), b, s.host(), false); err != nil {
		t.Fatal(err)
	}
	s.answer(nil)
	if _, err := connection.Push(t.Context(), b, s.host(), false); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"HEAD /v2/shop/manifests/1.0.0"}, s.requests("")); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// TestApplication has neither runtime nor program.
func TestApplication(t *testing.T) {
	contents := shop("1.0.0")
	contents.Runtimes, contents.Gravity, contents.SBOM, contents.Resources = nil, nil, nil, nil
	path := write(t, contents)
	s := serve(t)
	connection := connect(t, "")
	if _, err := connection.Push(t.Context(), open(t, path), s.host(), false); err != nil {
		t.Fatal(err)
	}
	if got, err := pullTo(t, connection, s.host()+"/shop:1.0.0"); err != nil || got != readFile(t, path) {
		t.Errorf("what was pulled is not what was pushed: %v", err)
	}
}

// TestFind knows who signed before layers are there.
func TestFind(t *testing.T) {
	s := serve(t)
	key := generate(t)
	b := open(t, write(t, shop("1.0.0"), key))
	connection := connect(t, "")
	pushed, err := connection.Push(t.Context(), b, s.host(), false)
	if err != nil {
		t.Fatal(err)
	}
	s.answer(nil)
	for _, reference := range []string{s.host() + "/shop:1.0.0", s.host() + "/shop@" + pushed.Digest.String()} {
		remote, err := connection.Find(t.Context(), reference)
		if err != nil {
			t.Fatal(err)
		}
		if remote.Digest != b.Digest() || !remote.Signatures.By(key.Public()) || remote.Index.Name != "Shop" {
			t.Errorf("found %+v", remote)
		}
		if err := remote.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if n := len(s.requests("GET /v2/shop/manifests/")); n > 2 {
		t.Errorf("%d manifests were read", n)
	}
}

// TestNames refuses what cannot be a name, before anything is sent.
func TestNames(t *testing.T) {
	connection := connect(t, "")
	b := open(t, write(t, shop("1.0.0")))
	for _, prefix := range []string{"", "team", "hub.example.com/UPPER", "hub.example.com/a b", "hub.example.com:x/a"} {
		if _, err := connection.Push(t.Context(), b, prefix, false); err == nil {
			t.Errorf("prefix %q is accepted", prefix)
		}
	}
	for _, reference := range []string{"", "shop:1.0.0", "hub.example.com/shop", "hub.example.com/../shop:1.0.0", "hub.example.com/shop@sha256:12"} {
		if _, err := connection.Find(t.Context(), reference); err == nil {
			t.Errorf("reference %q is accepted", reference)
		}
	}
	for text, want := range map[string][2]string{
		"hub.example.com/team/shop:1.0.0": {"hub.example.com", "team/shop:1.0.0"},
		"localhost/shop":                  {"localhost", "shop"},
		"localhost:5000":                  {"localhost:5000", ""},
		"hub.example.com":                 {"hub.example.com", ""},
		"shop:1.0.0":                      {"", "shop:1.0.0"},
		"team/shop:1.0.0":                 {"", "team/shop:1.0.0"},
		"shop":                            {"", "shop"},
		"[::1]:5000/shop":                 {"[::1]:5000", "shop"},
	} {
		if host, rest := hub.SplitHost(text); host != want[0] || rest != want[1] {
			t.Errorf("%s: host %q, rest %q", text, host, rest)
		}
	}
	if bundle.MaxManifestSize > 4<<20 {
		t.Error("registries do not take larger manifests")
	}
}

// TestGet refuses what a policy refuses, and writes what it accepts.
func TestGet(t *testing.T) {
	s := serve(t)
	key, other := generate(t), generate(t)
	source := write(t, shop("1.0.0"), key)
	if _, err := connect(t, "").Push(t.Context(), open(t, source), s.host(), false); err != nil {
		t.Fatal(err)
	}
	for name, required := range map[string]signature.PrivateKey{"trusted": key, "foreign": other} {
		path := filepath.Join(t.TempDir(), "shop.tar")
		policy := trust.Policy{Require: true, Keys: []trust.Key{{PublicKey: required.Public(), Name: name}}}
		_, err := hub.Get(t.Context(), s.host()+"/shop:1.0.0", path, policy, hub.Options{Retry: fast, StateDir: t.TempDir()})
		if name == "trusted" && (err != nil || readFile(t, path) != readFile(t, source)) {
			t.Errorf("%s: %v", name, err)
		}
		if _, statErr := os.Stat(path); name == "foreign" && (!errors.Is(err, trust.ErrUntrusted) || statErr == nil) {
			t.Errorf("%s: %v, file: %v", name, err, statErr)
		}
	}
}

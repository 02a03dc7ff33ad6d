package hub_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestLook: a few small requests tell what a bundle is, and who signed it.
func TestLook(t *testing.T) {
	key := generate(t)
	s := serve(t)
	b := open(t, write(t, shop("1.0.0+build"), key))
	c := connect(t, "")
	pushed, err := c.Push(t.Context(), b, s.host()+"/team", false)
	if err != nil {
		t.Fatal(err)
	}
	want, err := b.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, reference := range []string{s.host() + "/team/shop:1.0.0+build", s.host() + "/team/shop@" + pushed.Digest.String()} {
		s.answer(nil)
		seen, err := c.Look(t.Context(), reference)
		if err != nil {
			t.Fatal(err)
		}
		if seen.Digest != b.Digest() || seen.Index.Name != "Shop" || !seen.Signatures.By(key.Public()) || string(seen.Manifest) != string(want) {
			t.Errorf("%s is %+v", reference, seen)
		}
		if asked := s.requests("GET"); len(asked) > 5 {
			t.Errorf("it asks %q", asked)
		}
	}
	s.answer(nil)
	if _, err := c.Look(t.Context(), s.host()+"/team/shop:2.0.0"); err == nil || !strings.Contains(err.Error(), "MANIFEST_UNKNOWN") && !strings.Contains(err.Error(), "404") {
		t.Errorf("what is not there: %v", err)
	}
	if _, err := c.Look(t.Context(), "shop:1.0.0"); err == nil {
		t.Error("a name without a host is accepted")
	}
}

// TestLookHostile: what a registry sends counts only if it has the digest that leads
// to it.
func TestLookHostile(t *testing.T) {
	s := serve(t)
	b := open(t, write(t, shop("1.0.0")))
	c := connect(t, "")
	pushed, err := c.Push(t.Context(), b, s.host()+"/team", false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Look(t.Context(), s.host()+"/team/shop:1.0.0"); err != nil {
		t.Fatal(err)
	}
	// A tag leads where the registry says.
	asked := slices.DeleteFunc(s.requests("GET /v2/team/shop/"), func(one string) bool { return strings.HasSuffix(one, "/1.0.0") })
	asked = append(asked, "GET /v2/team/shop/manifests/"+pushed.Digest.String())
	for _, one := range asked {
		_, path, _ := strings.Cut(one, " ")
		s.answer(func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != path {
				return false
			}
			_, _ = w.Write([]byte("{}"))
			return true
		})
		reference := s.host() + "/team/shop@" + pushed.Digest.String()
		if _, err := c.Look(t.Context(), reference); err == nil || !strings.Contains(err.Error(), "something else") {
			t.Errorf("%s answered with another content: %v", path, err)
		}
	}
	if len(asked) < 4 {
		t.Errorf("only %q were tried", asked)
	}
}

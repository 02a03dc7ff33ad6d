package store_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/store"
)

// TestMirror wants each master to be asked in its turn, and given up soon if it is
// lost; and nobody else, not even after all masters.
func TestMirror(t *testing.T) {
	registry := store.Registry{CA: "/ca.crt", Certificate: "/a.crt", Key: "/a.key"}
	masters := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")}
	const want = `server = "https://192.0.2.1:5000/v2/docker.io"
ca = "/ca.crt"
client = [["/a.crt", "/a.key"]]
capabilities = ["pull", "resolve"]
override_path = true
dial_timeout = "3s"

[host."https://192.0.2.1:5000/v2/docker.io"]
  ca = "/ca.crt"
  client = [["/a.crt", "/a.key"]]
  capabilities = ["pull", "resolve"]
  override_path = true
  dial_timeout = "3s"

[host."https://192.0.2.2:5000/v2/docker.io"]
  ca = "/ca.crt"
  client = [["/a.crt", "/a.key"]]
  capabilities = ["pull", "resolve"]
  override_path = true
  dial_timeout = "3s"
`
	if diff := cmp.Diff(want, string(registry.Mirror("docker.io", masters))); diff != "" {
		t.Error(diff)
	}
}

package container

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

func TestParseResolv(t *testing.T) {
	for _, test := range []struct {
		name, content string
		resolvers     []netip.Addr
		search        []string
	}{
		{"plain", "nameserver 10.0.0.1\nnameserver 10.0.0.2\nsearch a.b c.d\n", []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")}, []string{"a.b", "c.d"}},
		{"resolved", "# stub\nnameserver 127.0.0.53\noptions edns0\n", nil, nil},
		{"some on loopback", "nameserver ::1\nnameserver 10.0.0.1\ndomain x", []netip.Addr{netip.MustParseAddr("10.0.0.1")}, []string{"x"}},
		{"nonsense", "nameserver\nnameserver x\n\x00", nil, nil},
	} {
		resolvers, search := parseResolv(test.content)
		if !slices.Equal(resolvers, test.resolvers) || !slices.Equal(search, test.search) {
			t.Errorf("%s: %v %v, want %v %v", test.name, resolvers, search, test.resolvers, test.search)
		}
	}
}

func TestParseCapabilities(t *testing.T) {
	got, err := parseCapabilities([]byte("Name:\tx\nCapBnd:\t0000000001000009\n"))
	if diff := cmp.Diff([]string{"CAP_CHOWN", "CAP_FOWNER", "CAP_SYS_RESOURCE"}, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, text := range []string{"", "CapBnd: x\n"} {
		if _, err := parseCapabilities([]byte(text)); err == nil {
			t.Errorf("no error for %q", text)
		}
	}
}

func TestSpec(t *testing.T) {
	p := paths.Paths{Root: "/data/gravity"}
	n := &node.Node{Name: "node-1", Mounts: []node.Mount{{Source: "/a", Target: "/b", Recursive: true}, {Source: "/c", Target: "/d"}}}
	got := spec(p, n, []string{"CAP_CHOWN"})
	if got.Hostname != "node-1" || !slices.Equal(got.Process.Capabilities.Bounding, []string{"CAP_CHOWN"}) {
		t.Errorf("host name %q, capabilities %v", got.Hostname, got.Process.Capabilities)
	}
	for target, want := range map[string]specs.Mount{
		"/var/lib/gravity": {Source: "/data/gravity", Options: []string{"rbind", "rshared"}},
		"/etc/kubernetes":  {Source: "/data/gravity/kubernetes", Options: []string{"rbind", "rshared"}},
		"/b":               {Source: "/a", Options: []string{"rbind", "rshared"}},
		"/d":               {Source: "/c", Options: []string{"bind", "rshared"}},
	} {
		i := slices.IndexFunc(got.Mounts, func(mount specs.Mount) bool { return mount.Destination == target })
		if i < 0 || got.Mounts[i].Source != want.Source || !slices.Equal(got.Mounts[i].Options, want.Options) {
			t.Errorf("%s is not mounted as %+v", target, want)
		}
	}
}

func TestUnitText(t *testing.T) {
	text := New(paths.Paths{Root: "/data/gravity"}).UnitText()
	for _, line := range []string{
		"ExecStartPre=/data/gravity/bin/gravity system prepare --state-dir=/data/gravity\n",
		"ExecStart=/data/gravity/runtime/current/rootfs/usr/local/bin/runc --root /run/gravity run --bundle /data/gravity/runtime/current gravity-master\n",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("the unit has no line %q:\n%s", line, text)
		}
	}
}

func FuzzParseResolv(f *testing.F) {
	f.Add("nameserver 10.0.0.1\nsearch a b\n")
	f.Fuzz(func(t *testing.T, content string) {
		resolvers, _ := parseResolv(content)
		for _, resolver := range resolvers {
			if resolver.IsLoopback() {
				t.Errorf("%s is on loopback", resolver)
			}
		}
	})
}

package removal

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/balancer"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

func TestMasters(t *testing.T) {
	address := netip.MustParseAddr
	for _, test := range []struct{ known, want, back string }{
		{"192.0.2.1 192.0.2.2 192.0.2.3", "192.0.2.1 192.0.2.3", "192.0.2.1 192.0.2.3 192.0.2.2"},
		{"192.0.2.1", "192.0.2.1", "192.0.2.1 192.0.2.2"},
		{"192.0.2.2", "192.0.2.9", "192.0.2.9 192.0.2.2"},
	} {
		p, err := paths.New(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		var known []netip.AddrPort
		for each := range strings.FieldsSeq(test.known) {
			known = append(known, netip.AddrPortFrom(address(each), 6443))
		}
		if err := balancer.WriteMasters(p.Masters(), known); err != nil {
			t.Fatal(err)
		}
		m := &masters{&environment{paths: p, settings: settings{Address: address("192.0.2.2"), Masters: []netip.Addr{address("192.0.2.9")}}}}
		for _, step := range []struct {
			do   func() error
			want string
		}{
			{func() error { return m.Execute(t.Context()) }, test.want},
			{func() error { return m.Execute(t.Context()) }, test.want},
			{func() error { return m.Rollback(t.Context()) }, test.back},
			{func() error { return m.Rollback(t.Context()) }, test.back},
		} {
			if err := step.do(); err != nil {
				t.Fatal(err)
			}
			got, err := balancer.ReadMasters(p.Masters())
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.ReplaceAll(step.want+" ", " ", ":6443 "); strings.Join(got, " ")+" " != want {
				t.Errorf("%s: the list is %s, want %s", test.known, got, want)
			}
		}
	}
}

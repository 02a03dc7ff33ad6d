package node_test

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

func TestMasters(t *testing.T) {
	p, err := paths.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := node.ReadMasters(p); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a list: %v", err)
	}
	list := []netip.Addr{netip.MustParseAddr("10.0.0.3"), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.1")}
	for _, test := range []struct {
		own  string
		want string
	}{
		{"10.0.0.2", "10.0.0.2,10.0.0.3,10.0.0.1"},
		{"10.0.0.30", "10.0.0.1,10.0.0.2,10.0.0.3"},
		{"10.0.0.31", "10.0.0.2,10.0.0.3,10.0.0.1"},
	} {
		n := &node.Node{Address: netip.MustParseAddr(test.own)}
		ordered := n.Order(list)
		if err := node.WriteMasters(p, ordered); err != nil {
			t.Fatal(err)
		}
		got, err := node.ReadMasters(p)
		if err != nil || !slices.Equal(got, ordered) {
			t.Errorf("%v, %v; want %v", got, err, ordered)
		}
		text := ""
		for i, master := range got {
			if i > 0 {
				text += ","
			}
			text += master.String()
		}
		if text != test.want {
			t.Errorf("%s prefers %s, want %s", test.own, text, test.want)
		}
	}
	for _, text := range []string{"", "[]", "{}", `["10.0.0.1"]`, `[1]`} {
		if err := os.WriteFile(p.Masters(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if masters, err := node.ReadMasters(p); err == nil {
			t.Errorf("%q has the masters %v", text, masters)
		}
	}
}

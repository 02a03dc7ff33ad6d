package expand

import (
	"net/netip"
	"strings"
	"testing"
)

func TestInSubnet(t *testing.T) {
	subnet := netip.MustParsePrefix("10.0.1.0/24")
	near, far := netip.MustParseAddr("10.0.1.7"), netip.MustParseAddr("10.0.2.7")
	if err := inSubnet(subnet, []netip.Addr{near}); err != nil {
		t.Error(err)
	}
	if err := inSubnet(subnet, []netip.Addr{near, far}); err == nil || !strings.Contains(err.Error(), "master 10.0.2.7 is not in 10.0.1.0/24") {
		t.Error(err)
	}
	if err := checkSubnet("vxlan", near, []netip.Addr{far}); err != nil {
		t.Error(err)
	}
}

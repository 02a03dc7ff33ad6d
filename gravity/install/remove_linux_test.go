package install

import (
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

func TestWithoutOurs(t *testing.T) {
	const saved = "*filter\n:INPUT ACCEPT [0:0]\n:KUBE-FIREWALL - [0:0]\n-A INPUT -j KUBE-FIREWALL\n-A KUBE-FIREWALL -j DROP\n-A FORWARD -m comment --comment \"flanneld forward\" -j FLANNEL-FWD\n-A INPUT -m comment --comment CNI-team -j DROP\n-A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n"
	const want = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m comment --comment CNI-team -j DROP\n-A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n"
	if got := withoutOurs(saved); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := withoutOurs(want); got != want {
		t.Errorf("what is not ours was changed: %q", got)
	}
}

func TestLeadsInto(t *testing.T) {
	pods := netip.MustParsePrefix("10.244.0.0/16")
	for text, want := range map[string]bool{
		"10.244.3.0/24": true,
		"10.244.0.0/16": true,
		"10.244.3.7/32": true,
		"10.0.0.0/8":    false,
		"10.245.0.0/24": false,
		"0.0.0.0/0":     false,
	} {
		_, destination, err := net.ParseCIDR(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := leadsInto(pods, destination); got != want {
			t.Errorf("%v for %s", got, text)
		}
	}
	if leadsInto(pods, nil) {
		t.Error("the default route is taken for one to pods")
	}
}

func TestEmptyTable(t *testing.T) {
	const left = "table ip filter {\n\tchain INPUT {\n\t\ttype filter hook input priority filter; policy accept;\n\t}\n}\n"
	for text, want := range map[string]bool{
		left: true,
		"":   false,
		strings.ReplaceAll(left, "policy accept", "policy drop"):          false,
		strings.ReplaceAll(left, "\t}\n", "\t\ttcp dport 22 accept\n}\n"): false,
	} {
		if got := emptyTable(text); got != want {
			t.Errorf("%v for %q", got, text)
		}
	}
}

func TestCorefile(t *testing.T) {
	with := corefile([]netip.Addr{netip.MustParseAddr("10.0.0.53")}, map[string][]netip.AddrPort{
		"corp.example": {netip.MustParseAddrPort("10.1.1.1:5353")},
	})
	for _, want := range []string{"forward . 10.0.0.53 {", "corp.example:53 {", "forward . 10.1.1.1:5353\n", "rewrite name exact leader.telekube.local leader.gravity-system.svc.cluster.local\n"} {
		if !strings.Contains(with, want) {
			t.Errorf("no %q in\n%s", want, with)
		}
	}
	// Without a resolver CoreDNS would not start.
	if without := corefile(nil, nil); strings.Contains(without, "forward") {
		t.Errorf("forwards to nobody:\n%s", without)
	}
}

// TestRemoveRefuses removes nothing where Gravity is not.
func TestRemoveRefuses(t *testing.T) {
	folder := t.TempDir()
	// A folder such as /usr or /var, by mistake.
	precious := filepath.Join(folder, "bin")
	if err := os.WriteFile(precious, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Remove(t.Context(), paths.Paths{Root: folder}, io.Discard); err == nil {
		t.Error("no error")
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}

func TestUnescape(t *testing.T) {
	if got := unescape(`/a\040b\134c`); got != `/a b\c` {
		t.Errorf("%q", got)
	}
}

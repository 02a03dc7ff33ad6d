package network

import (
	"net/netip"
	"strings"
	"testing"
)

func TestPlan(t *testing.T) {
	plan, err := NewPlan(netip.MustParsePrefix("10.213.7.0/24"))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ got, want string }{
		"gateway":      {plan.Gateway().String(), "10.213.7.1"},
		"host":         {plan.Host().String(), "10.213.7.254"},
		"first":        {plan.Machine(0).String(), "10.213.7.11"},
		"last":         {plan.Machine(MaxMachines - 1).String(), "10.213.7.210"},
		"link":         {plan.Link(), "glab-0ad507"},
		"MAC of first": {string(hardwareAddress(plan.Machine(0))), "\x02\x67\x0a\xd5\x07\x0b"},
	} {
		if test.got != test.want {
			t.Errorf("%s = %q, want %q", name, test.got, test.want)
		}
	}
	if len(plan.Link()) > 15 {
		t.Errorf("%q is too long for the kernel", plan.Link())
	}
	for _, bad := range []string{"10.213.7.0/25", "10.213.7.1/24", "10.213.0.0/16", "fd00::/24"} {
		if _, err := NewPlan(netip.MustParsePrefix(bad)); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}

func TestCandidates(t *testing.T) {
	candidates := Candidates("default")
	seen := map[netip.Prefix]bool{}
	for _, candidate := range candidates {
		if _, err := NewPlan(candidate); err != nil || !Pool.Contains(candidate.Addr()) || seen[candidate] {
			t.Errorf("candidate %s: %v, in the pool: %v, seen: %v", candidate, err, Pool.Contains(candidate.Addr()), seen[candidate])
		}
		seen[candidate] = true
	}
	if len(candidates) != 256 {
		t.Errorf("%d candidates", len(candidates))
	}
	if Candidates("default")[0] != candidates[0] {
		t.Error("a lab begins elsewhere each time")
	}
	if Candidates("other")[0] == candidates[0] {
		t.Error("two labs begin at the same place")
	}
}

func TestCollision(t *testing.T) {
	subnet := netip.MustParsePrefix("10.213.7.0/24")
	for route, want := range map[string]bool{
		"0.0.0.0/0": false, "10.213.8.0/24": false, "192.168.0.0/16": false, "10.213.6.0/23": true,
		"10.0.0.0/8": true, "10.213.7.0/24": true, "10.213.7.9/32": true, "0.0.0.0/1": true,
	} {
		if _, got := Collision(subnet, []netip.Prefix{netip.MustParsePrefix(route)}); got != want {
			t.Errorf("collision with %s = %v", route, got)
		}
	}
}

// question asks for example.com, with an additional record as resolvers send.
const question = "\x12\x34\x01\x20\x00\x01\x00\x00\x00\x00\x00\x01" +
	"\x07example\x03com\x00\x00\x01\x00\x01" + "\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00"

func TestRefuse(t *testing.T) {
	answer, ok := refuse([]byte(question))
	want := "\x12\x34\x81\x05\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01"
	if !ok || string(answer) != want {
		t.Errorf("answer = %q, %v\nwant     %q", answer, ok, want)
	}
	for name, message := range map[string]string{
		"an answer":       want,
		"too short":       question[:11],
		"half a name":     question[:18],
		"no type":         question[:26],
		"no question":     strings.Replace(question, "\x00\x01", "\x00\x00", 1),
		"nothing":         "",
		"two in one":      strings.Replace(question, "\x00\x01", "\x00\x02", 1),
		"a name too long": question[:12] + strings.Repeat("\xff", 30),
	} {
		if answer, ok := refuse([]byte(message)); ok {
			t.Errorf("%s is answered: %q", name, answer)
		}
	}
}

func FuzzRefuse(f *testing.F) {
	f.Add([]byte(question))
	f.Fuzz(func(t *testing.T, message []byte) {
		answer, ok := refuse(message)
		if ok && (len(answer) > len(message) || answer[2]&0x80 == 0) {
			t.Errorf("%q is answered by %q", message, answer)
		}
	})
}

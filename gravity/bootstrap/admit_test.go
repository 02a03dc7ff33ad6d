package bootstrap

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/cluster"
)

func address(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}) }

func named(n int) Request {
	return Request{Operation: fmt.Sprintf("op-%d", n), Name: fmt.Sprintf("node-%d", n), Address: address(n)}
}

// situation is a cluster with some masters and workers, and nodes that join: the
// first is node-1.
func situation(masters, workers int, joins ...bool) *admission {
	a := &admission{
		facts: &cluster.Facts{
			State: cluster.StateActive, PodNetwork: netip.MustParsePrefix("10.244.0.0/16"), ServiceNetwork: netip.MustParsePrefix("10.100.0.0/16"),
		},
		manifest: &manifest.Manifest{NodeProfiles: []manifest.NodeProfile{
			{Name: "any"}, {Name: "master", ServiceRole: manifest.RoleMaster}, {Name: "worker", ServiceRole: manifest.RoleNode},
		}},
		joins: make(map[string]join),
	}
	for i := range masters + workers {
		a.members = append(a.members, member{name: named(i + 1).Name, address: address(i + 1), master: i < masters})
	}
	for i, master := range joins {
		r := named(masters + workers + i + 1)
		a.joins[r.Operation] = join{Request: r, Master: master}
	}
	return a
}

func TestAdmit(t *testing.T) {
	for _, test := range []struct {
		name      string
		situation *admission
		role      string
		master    bool
		profile   string
		failure   string
	}{
		{"second", situation(1, 0), "", true, "any", ""},
		{"third", situation(2, 4), "", true, "any", ""},
		{"fourth", situation(3, 0), "", false, "any", ""},
		{"worker", situation(1, 0), "worker", false, "worker", ""},
		{"explicit master beyond three", situation(3, 0), "master", true, "master", ""},
		{"unknown role", situation(1, 0), "nobody", false, "", `no profile found for role "nobody"`},
		{"worker beside worker", situation(1, 0, false), "worker", false, "worker", ""},
		{"fifth join", situation(3, 0, false, false, false, false), "", false, "any", ""},
		{"sixth join", situation(3, 0, false, false, false, false, false), "", false, "", "at most 5 nodes can be joining simultaneously"},
		{"worker beside master", situation(1, 0, true), "worker", false, "", "can't launch another expand while master node 10.0.0.2 is joining"},
		{"master beside master", situation(1, 0, true), "", false, "", "can't launch another expand while master node 10.0.0.2 is joining"},
		{"master beside worker", situation(1, 0, false), "", false, "", "can't join master node while another node is joining"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := named(99)
			r.Role = test.role
			got, err := test.situation.admit(r, time.Now())
			if test.failure != "" {
				if err == nil || !strings.Contains(err.Error(), test.failure) {
					t.Fatalf("%v, want %q", err, test.failure)
				}
				return
			}
			if err != nil || got.Master != test.master || got.Role != test.profile {
				t.Fatalf("%+v, %v; want master %v, role %s", got, err, test.master, test.profile)
			}
			test.situation.joins[r.Operation] = got
			if again, err := test.situation.admit(r, got.Heard); err != nil || again != got {
				t.Errorf("asked again: %+v, %v; want %+v", again, err, got)
			}
		})
	}
}

func TestAdmitRefuses(t *testing.T) {
	change := func(set func(*Request)) Request {
		r := named(99)
		set(&r)
		return r
	}
	for _, test := range []struct {
		name    string
		request Request
		failure string
	}{
		{"name", change(func(r *Request) { r.Name = "node-1" }), "node node-1 is already registered, remove it using 'gravity remove node-1 --force' first"},
		{"address", change(func(r *Request) { r.Address = address(1) }), "node node-1 is already registered"},
		{"upper case", change(func(r *Request) { r.Name = "Node" }), "cannot be the name of a node"},
		{"too long", change(func(r *Request) { r.Name = strings.Repeat("n", 64) }), "cannot be the name of a node"},
		{"no name", change(func(r *Request) { r.Name = "" }), "cannot be the name of a node"},
		{"no address", change(func(r *Request) { r.Address = netip.Addr{} }), "cannot be the address of a node"},
		{"loopback", change(func(r *Request) { r.Address = netip.MustParseAddr("127.0.0.1") }), "cannot be the address of a node"},
		{"pod network", change(func(r *Request) { r.Address = netip.MustParseAddr("10.244.1.1") }), "is in the network of pods"},
		{"name of another that joins", change(func(r *Request) { r.Name, r.Role = "node-3", "worker" }), "node node-3 is joining already, from 10.0.0.3"},
		{"address of another that joins", change(func(r *Request) { r.Address, r.Role = address(3), "worker" }), "address 10.0.0.3 is that of node node-3, which is joining"},
		{"operation of another", change(func(r *Request) { r.Operation = "op-3" }), "operation op-3 is that of node node-3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := situation(1, 1, false).admit(test.request, time.Now()); err == nil || !strings.Contains(err.Error(), test.failure) {
				t.Errorf("%v, want %q", err, test.failure)
			}
		})
	}
	updating := situation(1, 0)
	updating.facts.State = "updating"
	if _, err := updating.admit(named(99), time.Now()); err == nil || err.Error() != "cannot expand updating cluster" {
		t.Errorf("a cluster that is being updated: %v", err)
	}
	// A machine that begins anew is not in its own way.
	again := named(2)
	again.Operation = "op-new"
	if j, err := situation(1, 0, true).admit(again, time.Now()); err != nil || !j.Master {
		t.Errorf("a machine that begins anew: %+v, %v", j, err)
	}
}

func TestCheckClock(t *testing.T) {
	now := time.Now()
	for _, test := range []struct {
		master time.Duration
		want   string
	}{
		{0, ""},
		{time.Minute, ""},
		{-time.Minute, ""},
		{-time.Hour, "the clock of this machine is 1h0m0s ahead of that of the master"},
		{time.Hour, "the clock of this machine is 59m58s behind that of the master"},
	} {
		err := checkClock(now, now.Add(2*time.Second), now.Add(test.master))
		if fmt.Sprint(err) != test.want && (err != nil || test.want != "") {
			t.Errorf("%s: %v, want %q", test.master, err, test.want)
		}
	}
}

func TestLimiter(t *testing.T) {
	l := newLimiter()
	for range maxFailures {
		if !l.allow("10.0.0.1:1") {
			t.Fatal("refused too early")
		}
		l.failed("10.0.0.1:2")
	}
	if l.allow("10.0.0.1:3") || !l.allow("10.0.0.2:1") {
		t.Error("who fails is not told from who does not")
	}
	l.began = l.began.Add(-window)
	if !l.allow("10.0.0.1:3") {
		t.Error("nothing is forgotten")
	}
}

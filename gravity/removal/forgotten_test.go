package removal

import (
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/etcd"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/member"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
)

// TestForgotten removes the last node of a cluster when its Node was deleted by hand.
func TestForgotten(t *testing.T) {
	for _, test := range []struct {
		name, nodes, remove string
		// record and member tell what is left of the node.
		record, member, force bool
		want, err             string
	}{
		{"worker", "MMW", "node-3", true, false, false, "/init /uninstall /kubernetes /postHook /finish", ""},
		{"by its address", "MMW", "192.0.2.3", true, false, false, "/init /uninstall /kubernetes /postHook /finish", ""},
		{"dead worker", "MMw", "node-3", true, false, false, "", "is not reachable"},
		{"dead worker, by force", "MMw", "node-3", true, false, true, "/init /kubernetes /postHook /finish", ""},
		{"master", "MMM", "node-3", true, true, false, "/init /masters /etcd /uninstall /kubernetes /postHook /finish", ""},
		{"master without a record", "MMM", "192.0.2.3", false, true, false, "/init /masters /etcd /uninstall /kubernetes /postHook /finish", ""},
		{"dead master, by force", "MMm", "node-3", false, true, true, "/init /masters /etcd /kubernetes /postHook /finish", ""},
		{"master that etcd needs", "MmM", "node-3", true, true, true, "", "etcd would lose its quorum"},
		{"nothing left", "MMW", "node-3", false, false, true, "", "not a member of the cluster"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := describeCluster(test.nodes)
			c.hooks[manifest.HookPreNodeRemove], c.hooks[manifest.HookPostNodeRemove] = true, true
			last := len(c.members) - 1
			left := c.members[last]
			address, err := left.Address()
			if err != nil {
				t.Fatal(err)
			}
			c.members = c.members[:last]
			if test.record {
				c.records = map[string]member.Record{"node-3": {Role: "x", Address: address, Master: left.IsMaster()}, "node-1": {}}
			}
			if test.member {
				c.etcd[last].Addresses = []netip.Addr{address}
			}
			request := Request{Node: test.remove, Force: test.force}
			lead, leaving, err := c.choose(&node.Node{Name: "node-1"}, request)
			if err == nil {
				err = c.check(*leaving, request)
			}
			if (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Fatalf("%v, want %q", err, test.err)
			}
			if err != nil {
				return
			}
			plan, err := c.plan("shrink-1", "1.0.0", lead.Server, *leaving, test.force, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			var found []string
			for _, phase := range plan.Phases {
				found = append(found, phase.ID)
			}
			if got := strings.Join(found, " "); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

// TestForgottenAddress leaves a node alone that has the address of one that Kubernetes
// has forgotten.
func TestForgottenAddress(t *testing.T) {
	c := describeCluster("MMM")
	other := netip.MustParseAddr("192.0.2.3")
	c.records = map[string]member.Record{"old": {Address: other, Master: true}}
	c.etcd = append(c.etcd, etcd.Member{ID: 9, Name: "old", Addresses: []netip.Addr{other}})
	if _, leaving, err := c.choose(&node.Node{Name: "node-1"}, Request{Node: "old", Force: true}); err == nil {
		t.Errorf("%+v would be removed", leaving)
	}
}

// TestForget forgets a node, also what Kubernetes has forgotten before.
func TestForget(t *testing.T) {
	a, client, p := newAPI(t)
	a.PutData("nodes", map[string]any{"node-3": `{"role":"x","address":"192.0.2.3","master":true}`})
	e := &environment{paths: p, log: slog.New(slog.DiscardHandler), settings: settings{Node: operation.Server{Nodename: "node-3"}}}
	for _, executor := range []operation.Executor{&masters{e}, &kubernetes{e}} {
		if err := executor.Execute(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	removals, err := member.Removals(t.Context(), client)
	if err != nil || a.Value("nodes", "node-3") != "" || removals["node-3"].IsZero() {
		t.Errorf("the record is %q, the removals are %v, %v", a.Value("nodes", "node-3"), removals, err)
	}
}

package removal

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/etcd"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/member"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/rpc"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// describeCluster makes a cluster of a text: a letter for each node, M master,
// W worker; in lower case its agent and etcd do not answer.
func describeCluster(nodes string) *situation {
	c := &situation{name: "test", state: cluster.StateActive, silent: map[string]error{}, hooks: map[manifest.HookName]bool{}}
	for i, kind := range nodes {
		name, address := "node-"+string(rune('1'+i)), "192.0.2."+string(rune('1'+i))
		m := member.Member{Server: operation.Server{AdvertiseIP: address, Hostname: "host-" + string(rune('1'+i)), Nodename: name, ClusterRole: member.Worker}, Ready: true}
		if kind == 'M' || kind == 'm' {
			m.ClusterRole = member.Master
			c.etcd = append(c.etcd, etcd.Member{ID: uint64(i), Name: name, Healthy: kind == 'M'})
		}
		if kind == 'm' || kind == 'w' {
			c.silent[address] = errors.New("no answer")
		}
		c.members = append(c.members, m)
	}
	return c
}

func TestCheck(t *testing.T) {
	for _, test := range []struct {
		nodes, remove string
		force         bool
		err, hint     string // of the error, if there is one
	}{
		{"MW", "node-2", false, "", ""},
		{"MW", "host-2", false, "", ""},
		{"MW", "192.0.2.2", false, "", ""},
		{"MW", "node-7", false, `node "node-7" is not a member of the cluster`, "its nodes are: host-1 (192.0.2.1), host-2 (192.0.2.2)"},
		{"M", "node-1", false, "cannot remove the last master server", "gravity leave --force"},
		{"M", "node-1", true, "cannot remove the last master server", "gravity leave --force"},
		{"MW", "node-1", true, "cannot remove the last master server", "join another master"},
		{"MM", "node-1", false, "a node cannot remove itself", ""},
		{"MM", "node-2", false, "", ""},
		{"Mw", "node-2", false, "node host-2 (192.0.2.2) is not reachable: no answer", "--force"},
		{"Mw", "node-2", true, "", ""},
		{"MMm", "node-3", true, "", ""},
		{"MMm", "node-3", false, "is not reachable", "--force"},
		{"MMm", "node-2", true, "1 of 2 members would be healthy, not node-3", "gravity remove node-3 --force"},
		{"MMw", "node-2", false, "", ""},
		{"MMw", "node-2", true, "", ""},
		{"MMMm", "node-2", true, "", ""},
	} {
		c := describeCluster(test.nodes)
		lead, leaving, err := c.choose(&node.Node{Name: "node-1"}, Request{Node: test.remove, Force: test.force})
		if err == nil {
			err = c.check(*leaving, Request{Node: test.remove, Force: test.force})
			if lead.Nodename != "node-1" {
				t.Errorf("%s: %s leads", test.nodes, lead.Nodename)
			}
		}
		if (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s without %s: %v, want %q", test.nodes, test.remove, err, test.err)
		}
		if hints := strings.Join(cli.Hints(err), "\n"); !strings.Contains(hints, test.hint) {
			t.Errorf("%s without %s: hints %q, want %q", test.nodes, test.remove, hints, test.hint)
		}
		if refused := test.err != "" && !strings.Contains(test.err, "not a member") && !strings.Contains(test.err, "not reachable"); errors.Is(err, rpc.ErrRefused) != refused {
			t.Errorf("%s without %s: another master would refuse, too: %t", test.nodes, test.remove, !refused)
		}
		if strings.Contains(test.err, "not a member") && !errors.Is(err, rpc.ErrNotMember) {
			t.Errorf("%s without %s: %v is not ErrNotMember", test.nodes, test.remove, err)
		}
	}
}

func TestCheckState(t *testing.T) {
	for _, test := range []struct {
		state          string
		force, allowed bool
	}{
		{"active", false, true},
		{"degraded", false, true},
		{"shrinking", false, false},
		{"shrinking", true, false},
		{"updating", true, false},
	} {
		c := describeCluster("MW")
		c.state = test.state
		err := c.check(c.members[1], Request{Node: "node-2", Force: test.force})
		if (err == nil) != test.allowed {
			t.Errorf("%s, force %t: %v", test.state, test.force, err)
		}
	}
}

func TestPlan(t *testing.T) {
	for _, test := range []struct {
		nodes string
		leave int
		hooks []manifest.HookName
		want  string
	}{
		{"MW", 1, nil, "/init /drain /uninstall /kubernetes /finish"},
		{"Mw", 1, nil, "/init /drain /kubernetes /finish"},
		{
			"MMWw", 1,
			[]manifest.HookName{manifest.HookPreNodeRemove, manifest.HookPostNodeRemove, manifest.HookInstall},
			"/init /preHook /drain /masters /etcd /uninstall /kubernetes /postHook /finish",
		},
	} {
		c := describeCluster(test.nodes)
		for _, name := range test.hooks {
			c.hooks[name] = true
		}
		plan, err := c.plan("shrink-1", "1.0.0", c.members[0].Server, c.members[test.leave], true, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		var leaves []string
		for _, phase := range plan.Phases {
			for _, leaf := range append(phase.Phases, phase) {
				if leaf.Leaf() {
					leaves = append(leaves, leaf.ID)
					checkLeaf(t, plan, leaf)
				}
			}
		}
		if diff := cmp.Diff(test.want, strings.Join(leaves, " ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.nodes, diff)
		}
	}
}

// checkLeaf wants a phase to be known, and to be executed where it can be.
func checkLeaf(t *testing.T, plan *operation.Plan, leaf operation.Phase) {
	t.Helper()
	executor, err := Executors(t.TempDir())(t.Context(), plan, leaf, nil)
	if err != nil || executor == nil {
		t.Errorf("%s: %v", leaf.ID, err)
	}
	if got, want := leaf.Server().AdvertiseIP, plan.LeadMaster.AdvertiseIP; got != want {
		t.Errorf("%s is executed on %s, want %s", leaf.ID, got, want)
	}
}

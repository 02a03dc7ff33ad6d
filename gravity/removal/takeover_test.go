package removal

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/rpc"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// TestTakeOver makes plans for removals that another master began, by what is left of
// the node: the last one of the cluster leaves, and node-1 makes the plan.
func TestTakeOver(t *testing.T) {
	for _, test := range []struct {
		name, nodes string
		gone, force bool
		want        string
	}{
		{"begun", "MMW", false, false, "/init /preHook /drain /uninstall /kubernetes /postHook /finish"},
		{"wiped", "MMw", false, false, "/init /preHook /drain /uninstall /kubernetes /postHook /finish"},
		{"wiped, or dead", "MMw", false, true, "/init /preHook /drain /kubernetes /postHook /finish"},
		{"forgotten", "MMw", true, false, "/init /uninstall /kubernetes /postHook /finish"},
		{"a master", "MMM", false, false, "/init /preHook /drain /masters /etcd /uninstall /kubernetes /postHook /finish"},
		{"a forgotten master", "MMm", true, false, "/init /masters /etcd /uninstall /kubernetes /postHook /finish"},
		{"the last of two, forgotten", "MM", true, false, "/init /masters /etcd /uninstall /kubernetes /postHook /finish"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := describeCluster(test.nodes)
			c.hooks[manifest.HookPreNodeRemove], c.hooks[manifest.HookPostNodeRemove] = true, true
			left := c.members[len(c.members)-1]
			c.state = stateShrinking
			c.record = &record{state: stateShrinking, operation: "shrink-0", leaving: &departing{Node: left.Server, Lead: c.members[1].Server}}
			if test.gone {
				c.members = c.members[:len(c.members)-1]
			}
			request := Request{Node: left.Hostname, Force: test.force}
			c.takeOver(request.Node)
			lead, leaving, err := c.choose(&node.Node{Name: "node-1"}, request)
			if err == nil {
				err = c.check(*leaving, request)
			}
			if err != nil {
				t.Fatal(err)
			}
			plan, err := c.plan("shrink-1", "1.0.0", lead.Server, *leaving, test.force, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			var found []string
			for _, phase := range plan.Phases {
				found = append(found, phase.ID)
				checkLeaf(t, plan, phase)
			}
			if got := strings.Join(found, " "); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
			var s settings
			if err := plan.Phases[0].Decode(&s); err != nil || s.Earlier != "shrink-0" || s.Lead.Nodename != "node-1" {
				t.Errorf("the settings are %+v, %v", s, err)
			}
		})
	}
}

// TestBusy refuses to remove another node, also by force, and says what removes the
// first: also if that was begun by the master that is to go.
func TestBusy(t *testing.T) {
	for _, test := range []struct {
		remove string
		want   string
	}{
		{"node-4", "node node-3 is being removed by operation shrink-0 of master node-2; end that with 'gravity remove node-3' on any master"},
		{"node-2", "end that first with 'gravity remove node-3' on another master, which takes it over if node-2 does not answer"},
	} {
		for _, force := range []bool{false, true} {
			c := describeCluster("MMWW")
			c.state = stateShrinking
			c.record = &record{state: stateShrinking, operation: "shrink-0", leaving: &departing{Node: c.members[2].Server, Lead: c.members[1].Server}}
			c.takeOver(test.remove)
			_, leaving, err := c.choose(&node.Node{Name: "node-1"}, Request{Node: test.remove})
			if err == nil {
				err = c.check(*leaving, Request{Node: test.remove, Force: force})
			}
			hints := strings.Join(cli.Hints(err), "\n")
			if !strings.Contains(hints, test.want) || cli.ExitCode(err) != cli.ExitBusy || !errors.Is(err, rpc.ErrRefused) {
				t.Errorf("%s, force %t: %v, hints %s", test.remove, force, err, hints)
			}
		}
	}
}

// TestOvertaken tells operations that another one came before from those that are
// about to claim the record, or have given it up.
func TestOvertaken(t *testing.T) {
	for _, test := range []struct {
		name        string
		first, last operation.State
		// record has the operation's ID, and leaving the node that it removes.
		record, leaving string
		// earlier is the operation that this one takes over.
		earlier string
		// removed is when the node was removed, after the plan was made.
		removed time.Duration
		want    bool
	}{
		{"not begun", operation.Unstarted, operation.Unstarted, "install", "", "", 0, false},
		{"begun", operation.InProgress, operation.Unstarted, "", "", "", 0, false},
		{"its own", operation.Completed, operation.Unstarted, "shrink-1", "node-2", "", 0, false},
		{"its own, not known to be claimed", operation.InProgress, operation.Unstarted, "shrink-1", "node-2", "", 0, false},
		{"taken over", operation.Completed, operation.Unstarted, "other", "node-2", "", 0, true},
		{"ended by another", operation.Completed, operation.Unstarted, "", "", "", 0, true},
		{"given up", operation.Completed, operation.InProgress, "", "", "", 0, false},
		{"killed before it claimed", operation.InProgress, operation.Unstarted, "other", "node-2", "", 0, true},
		{"not begun, and another has", operation.Unstarted, operation.Unstarted, "other", "node-2", "", 0, true},
		{"failed, since another came before", operation.Failed, operation.Unstarted, "other", "node-2", "", 0, true},
		{"another node leaves", operation.Failed, operation.Unstarted, "other", "node-3", "", 0, false},
		{"about to take over", operation.InProgress, operation.Unstarted, "other", "node-2", "other", 0, false},
		{"another removed it", operation.InProgress, operation.Unstarted, "", "", "", time.Minute, true},
		{"it was removed before, and joined again", operation.Unstarted, operation.Unstarted, "", "", "", -time.Minute, false},
		{"what it takes over has removed it", operation.Unstarted, operation.Unstarted, "", "", "other", time.Minute, false},
		{"a third took over", operation.InProgress, operation.Unstarted, "third", "node-2", "other", 0, true},
	} {
		c := describeCluster("MW")
		plan, err := c.plan("shrink-1", "1.0.0", c.members[0].Server, c.members[1], false, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		found := &operation.Operation{Plan: plan}
		for i, state := range map[int]operation.State{0: test.first, len(plan.Phases) - 1: test.last} {
			if state != operation.Unstarted {
				found.Entries = append(found.Entries, operation.Entry{PhaseID: plan.Phases[i].ID, NewState: state, ID: plan.Phases[i].ID})
			}
		}
		r := &record{operation: test.record}
		if test.leaving != "" {
			r.state, r.leaving = stateShrinking, &departing{Node: operation.Server{Nodename: test.leaving}}
		}
		s := &settings{Node: c.members[1].Server, Earlier: test.earlier}
		if got := overtaken(found, s, r, plan.CreatedAt.Add(test.removed)); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

package bootstrap

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/etcd"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// silent makes masters silent, the first one first.
func silent(a *admission, since ...time.Duration) *admission {
	for i, duration := range since {
		a.members[i].silent, a.members[i].since = true, time.Now().Add(-duration)
	}
	return a
}

// TestAdmitReplacement wants a machine to become a master in the place of a lost
// one, and not while that may come back.
func TestAdmitReplacement(t *testing.T) {
	const hour = time.Hour
	for _, test := range []struct {
		name      string
		situation *admission
		role      string
		master    bool
		failure   string
	}{
		{"one of three is lost", silent(situation(3, 1), hour), "", true, ""},
		{"one of three may come back", silent(situation(3, 1), time.Second), "", false, "master node-1 does not answer"},
		{"one of four may come back", silent(situation(4, 1), time.Second), "", false, ""},
		{"a worker beside one that may come back", silent(situation(3, 1), time.Second), "worker", false, ""},
		{"a master beside one that may come back", silent(situation(3, 1), time.Second), "master", false, "gravity remove node-1 --force"},
		{"the second of two may come back", silent(situation(2, 0), time.Second), "", false, "master node-1 does not answer"},
		{"a lost one and one that may come back", silent(situation(4, 0), hour, time.Second), "", false, "master node-2 does not answer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := named(99)
			r.Role = test.role
			got, err := test.situation.admit(r, time.Now())
			if test.failure == "" {
				if err != nil || got.Master != test.master {
					t.Errorf("%+v, %v", got, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error()+strings.Join(cli.Hints(err), " "), test.failure) {
				t.Errorf("%v, want %q", err, test.failure)
			}
		})
	}
	degraded := situation(3, 0)
	degraded.facts.State = stateDegraded
	if _, err := degraded.admit(named(99), time.Now()); err != nil {
		t.Errorf("a degraded cluster: %v", err)
	}
}

func TestReplaceable(t *testing.T) {
	of := func(n int, healthy bool) etcd.Member {
		return etcd.Member{ID: uint64(n), Name: named(n).Name, Addresses: []netip.Addr{address(n)}, Healthy: healthy}
	}
	found := []etcd.Member{of(1, false), of(2, true), of(3, true), {ID: 4, Learner: true}}
	lost, err := replaceable(found, silent(situation(3, 0), time.Hour).members, time.Now())
	if err != nil || len(lost) != 1 || lost[0].ID != 1 {
		t.Errorf("%v, %v", lost, err)
	}
	// A node that Kubernetes does not know any more does not come back either.
	if lost, err := replaceable(found, situation(3, 0).members[1:], time.Now()); err != nil || len(lost) != 1 {
		t.Errorf("%v, %v", lost, err)
	}
	for name, nodes := range map[string][]member{"just silent": silent(situation(3, 0), time.Second).members, "reports": situation(3, 0).members} {
		if _, err := replaceable(found, nodes, time.Now()); err == nil || !strings.Contains(err.Error(), "master node-1") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

package removal

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/member"
)

// TestListen asks the agent of a node again whose kubelet reports, and keeps what its
// machine has only if it does not answer for long.
func TestListen(t *testing.T) {
	for _, test := range []struct {
		name, nodes string
		ready       bool
		answers     time.Duration
		took        time.Duration
		kept        bool
	}{
		{"it answers", "MW", true, 0, 0, false},
		{"it starts anew", "Mw", true, 10 * time.Second, 10 * time.Second, false},
		{"it does not start", "Mw", true, time.Hour, listenTime, true},
		{"the machine is lost", "Mw", false, time.Hour, 0, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := describeCluster(test.nodes)
			c.members[1].Ready = test.ready
			began := time.Now()
			c.listen(t.Context(), "host-2", func(context.Context, member.Member) error {
				if time.Since(began) >= test.answers {
					return nil
				}
				return errors.New("no answer")
			})
			took := time.Since(began)
			plan, err := c.plan("shrink-1", "1.0.0", c.members[0].Server, c.members[1], true, time.Now())
			if err != nil || keeps(plan) != test.kept || took != test.took {
				t.Errorf("%s: kept %t after %s, %v", test.name, keeps(plan), took, err)
			}
		})
	}
}

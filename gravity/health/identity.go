package health

import (
	"context"
	"fmt"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// identity wants this machine to be the node that it was when it joined.
func identity(p paths.Paths, n *node.Node) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		machine, err := node.ThisMachine()
		if err != nil {
			return "", unknown{err}
		}
		return "", n.CheckIdentity(p, machine)
	}
}

// hostName wants this machine to be called as its node is, which does not follow.
func hostName(n *node.Node) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		machine, err := node.ThisMachine()
		if err != nil {
			return "", unknown{err}
		}
		if err := n.CheckName(machine); err != nil {
			return "", warning{err}
		}
		return "", nil
	}
}

// clock tells whether the clock has jumped: it is compared with one that only goes
// on.
type clock struct {
	// start has readings of both.
	start time.Time
}

// sinceStart is about the time since this process has started.
var sinceStart = clock{time.Now()}

// maxJump is how far clocks may be set: what synchronises them does that slowly.
const maxJump = time.Minute

func (c clock) check(context.Context) (string, error) {
	return c.judge(time.Now())
}

func (c clock) judge(now time.Time) (string, error) {
	return judgeJump(now.Round(0).Sub(c.start.Round(0)), now.Sub(c.start), c.start)
}

// judgeJump compares how long it was since some time by both clocks.
func judgeJump(wall, monotonic time.Duration, since time.Time) (string, error) {
	jump := wall - monotonic
	if jump.Abs() <= maxJump {
		return "", nil
	}
	how := "ahead"
	if jump < 0 {
		how = "back"
	}
	return "", warn("the clock has jumped %s %s since %s, or the machine was suspended: certificates that seem to be over, or were made "+
		"meanwhile, are judged by it; see that it is right ('timedatectl'), and then restart gravity-agent",
		jump.Abs().Round(time.Second), how, since.UTC().Format(time.DateTime))
}

// How far the clocks of two nodes may be apart. What is signed on one is good on the
// other at once for ten minutes more; applications are less patient.
const (
	driftWarning  = 2 * time.Second
	driftCritical = time.Minute
)

// judgeDrift takes how far the clock of another node is ahead of this one's.
func judgeDrift(ahead time.Duration) error {
	if ahead.Abs() <= driftWarning {
		return nil
	}
	how := "ahead of"
	if ahead < 0 {
		how = "behind"
	}
	err := fmt.Errorf("its clock is %s %s that of the master that asks; see on both that it is synchronised ('timedatectl')",
		ahead.Abs().Round(time.Second), how)
	if ahead.Abs() <= driftCritical {
		return warning{err}
	}
	return err
}

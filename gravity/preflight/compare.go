package preflight

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
)

// What is compared between nodes is measured by those who reach all of them,
// when a node joins; here is what is made of it. The names are beside those of
// Checks.

// maxDrift is how far clocks of two nodes may be apart (the time-drift probe).
const maxDrift = 300 * time.Millisecond

// Clock is when a node's clock was read.
type Clock struct {
	// Remote is what the node's clock said.
	Remote time.Time
	// Sent and Received are the times here, before the question and after the
	// answer.
	Sent, Received time.Time
}

// Drift is how far the node's clock is ahead of the one here, and how wrong
// that may be: half of the time that the question took.
func (c Clock) Drift() (drift, uncertainty time.Duration) {
	uncertainty = c.Received.Sub(c.Sent) / 2
	return c.Remote.Sub(c.Sent.Add(uncertainty)), uncertainty
}

// CompareClocks checks that the clocks of the nodes, by their names, and the one
// here are not too far apart (time-drift). What the network's delay may explain
// is not held against a node.
func CompareClocks(clocks map[string]Clock) Result {
	result := Result{Name: "time-drift", Level: LevelError}
	var found problems
	var largest time.Duration
	for _, name := range slices.Sorted(maps.Keys(clocks)) {
		drift, uncertainty := clocks[name].Drift()
		apart := max(drift, -drift)
		largest = max(largest, apart)
		if apart-uncertainty > maxDrift {
			word := "ahead"
			if drift < 0 {
				word = "behind"
			}
			found.add(fmt.Sprintf("the clock of %s is %s %s", name, round(apart), word),
				"let chrony or systemd-timesyncd keep the clocks of all nodes, with the same server")
		}
	}
	return result.fill(found.finding(passed("%s, up to %s apart", count(len(clocks), "clock", "clocks"), round(largest)).
		want("up to %s apart", maxDrift)), nil)
}

// Transfer is what was measured between two nodes.
type Transfer struct {
	// From and To are the names of the nodes.
	From, To string
	// Rate is in bytes per second.
	Rate manifest.TransferRate
}

// CompareTransfers checks that all pairs of nodes are as fast as the profile's
// network.minTransferRate asks (network-speed).
func CompareTransfers(wanted manifest.TransferRate, transfers []Transfer) Result {
	result := Result{Name: "network-speed", Level: LevelError}
	var found problems
	for _, each := range transfers {
		if each.Rate < wanted {
			found.add(fmt.Sprintf("%s to %s: %s/s", each.From, each.To, size(uint64(each.Rate))),
				"see what slows the network between the two, such as the speed of a link")
		}
	}
	return result.fill(found.finding(passed("%s", count(len(transfers), "pair", "pairs")).
		want("at least %s/s", size(uint64(wanted)))), nil)
}

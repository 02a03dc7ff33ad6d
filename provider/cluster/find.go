package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
	"github.com/gravity-platform/terraform-provider-gravity/provider/access"
	"github.com/gravity-platform/terraform-provider-gravity/provider/node"
)

// pace is how fast masters are asked.
type pace struct {
	// headStart is how long a master is asked before the next one is, too.
	headStart time.Duration
	// patience is how long a cluster whose machines answer may take to have a
	// master that speaks for it: an API server may be starting.
	patience time.Duration
	// pause is between two rounds.
	pause time.Duration
}

// steady spares machines that work, and waits for those that start.
var steady = pace{headStart: 2 * time.Second, patience: 45 * time.Second, pause: 2 * time.Second}

var (
	// ErrAbsent says that every machine answers, and none is a node of the cluster.
	ErrAbsent = errors.New("there is no such cluster")
	// errSilent is about a node that cannot tell how its cluster is.
	errSilent = errors.New("it cannot speak for the cluster now")
)

// Found is a master that lives, and what it says. The caller releases it.
type Found struct {
	// Node is the machine.
	Node *node.Node
	// Master is how it was reached.
	Master Master
	// Status is complete, and has a secret: the join token.
	Status report.Status

	release func()
}

// Release gives the machine back; it may be called several times.
func (f *Found) Release() { f.release() }

// Masters are the cluster's. What was known of how to reach them is kept.
func (f *Found) Masters(known []Master) []Master { return Masters(&f.Status, known) }

// Member returns the node with an address; false if the cluster has none.
func (f *Found) Member(address string) (report.StatusNode, bool) {
	i := slices.IndexFunc(f.Status.Cluster.Nodes, func(n report.StatusNode) bool { return n.AdvertiseIP == address })
	if i < 0 {
		return report.StatusNode{}, false
	}
	return f.Status.Cluster.Nodes[i], true
}

// Find asks masters, one a moment after the other, until one speaks for the
// cluster of a name; an empty name is any cluster. The error is ErrAbsent if there
// is none, and otherwise has what each machine said.
func Find(ctx context.Context, reach *access.Access, name string, masters []Master) (*Found, error) {
	return steady.find(ctx, reach, name, masters)
}

func (p pace) find(ctx context.Context, reach *access.Access, name string, masters []Master) (*Found, error) {
	found, err := p.rounds(ctx, reach, name, masters)
	if err != nil && name != "" {
		return nil, fmt.Errorf("cluster %s: %w", name, err)
	}
	return found, err
}

func (p pace) rounds(ctx context.Context, reach *access.Access, name string, masters []Master) (*Found, error) {
	if len(masters) == 0 {
		return nil, cli.WithHint(errors.New("no master is known"), "name one in masters")
	}
	for start := time.Now(); ; {
		found, err := p.round(ctx, reach, name, masters)
		if err == nil || !errors.Is(err, errSilent) || time.Since(start) > p.patience {
			return found, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), err)
		case <-time.After(p.pause):
		}
	}
}

// answer is what one machine says.
type answer struct {
	found *Found
	err   error
}

// round asks all masters, until one answers.
func (p pace) round(ctx context.Context, reach *access.Access, name string, masters []Master) (*Found, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan answer)
	for i, master := range masters {
		go func() {
			found, err := ask(ctx, reach, name, master, time.Duration(i)*p.headStart)
			answers <- answer{found, err}
		}()
	}
	var first *Found
	var failed []error
	for range masters {
		got := <-answers
		switch {
		case got.err != nil:
			failed = append(failed, got.err)
		case first == nil:
			first = got.found
			cancel()
		default:
			got.found.Release()
		}
	}
	switch {
	case first != nil:
		for _, err := range failed {
			tflog.Debug(ctx, "another master", map[string]any{"error": err.Error()})
		}
		return first, nil
	case !slices.ContainsFunc(failed, func(err error) bool { return !errors.Is(err, ErrAbsent) }):
		return nil, failed[0]
	default:
		return nil, noMaster(failed)
	}
}

// noMaster is the error if no machine speaks. It is not ErrAbsent, whatever some of
// them say: the others may be the cluster.
func noMaster(failed []error) error {
	if len(failed) == 1 {
		return failed[0]
	}
	var said, hints []string
	silent := false
	for _, err := range failed {
		said = append(said, err.Error())
		hints = append(hints, cli.Hints(err)...)
		silent = silent || errors.Is(err, errSilent)
	}
	err := fmt.Errorf("none of its %d masters answers: %s", len(failed), strings.Join(said, "; "))
	if silent {
		err = fmt.Errorf("%w (%w)", err, errSilent)
	}
	return &cli.Error{Err: err, Hints: append([]string{"start one of them; see 'gravity status' there"}, slices.Compact(hints)...)}
}

// ask asks one machine after a delay.
func ask(ctx context.Context, reach *access.Access, name string, master Master, delay time.Duration) (*Found, error) {
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-time.After(delay):
	}
	reached, release, err := reach.Reach(master.Settings(), node.Options{})
	if err != nil {
		return nil, fmt.Errorf("master %s: %w", master.Address.ValueString(), err)
	}
	status, err := reached.Status(ctx)
	if err == nil {
		err = speaks(&status, name)
	} else if NotInstalled(err) {
		err = fmt.Errorf("%w: %w", ErrAbsent, err)
	}
	if err != nil {
		release()
		return nil, fmt.Errorf("master %s: %w", master.Address.ValueString(), err)
	}
	return &Found{Node: reached, Master: master, Status: status, release: release}, nil
}

// speaks tells whether a status is complete: that of a master, of the right
// cluster.
func speaks(status *report.Status, name string) error {
	cluster := &status.Cluster
	switch {
	case name != "" && cluster.Domain != name:
		return fmt.Errorf("%w: the machine is a node of cluster %s", ErrAbsent, cluster.Domain)
	case status.Error != "":
		return fmt.Errorf("%w: %s", errSilent, status.Error)
	case !slices.ContainsFunc(cluster.Nodes, func(n report.StatusNode) bool { return n.Role == RoleMaster }):
		return errors.New("it is a node of the cluster, and no master")
	}
	return nil
}

// notInstalled is what gravity says on a machine that is no node.
const notInstalled = "no cluster is installed on this machine"

// NotInstalled tells whether an error is the machine's own word that it is no node
// of a cluster.
func NotInstalled(err error) bool {
	said, ok := errors.AsType[*node.GravityError](err)
	return errors.Is(err, node.ErrNoGravity) || ok && strings.Contains(said.Message, notInstalled)
}

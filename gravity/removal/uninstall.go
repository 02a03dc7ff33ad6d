package removal

import (
	"context"
	"fmt"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/rpc"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

const (
	// wipeTimeout is how long a node may take until nothing of the cluster runs
	// on it any more.
	wipeTimeout = 5 * time.Minute
	// wipeInterval is how often the agent is told again, and asked what has failed.
	wipeInterval = 5 * time.Second
	// quietTime is how long nothing has to run on a node that was not told to
	// stop by this process: it may be that its machine starts anew.
	quietTime = 30 * time.Second
	// kubeletPort is where a kubelet listens.
	kubeletPort = 10250
)

// uninstall has the node's agent remove everything from the node. It goes on
// there by itself, also after a loss of power; the phase is done when neither
// agent nor kubelet run.
type uninstall struct{ *environment }

func (u *uninstall) Execute(ctx context.Context) error {
	err := u.wipe(ctx)
	if err != nil && u.settings.Force && ctx.Err() == nil {
		u.log.Warn("The node has not removed its software; it is removed from the cluster nevertheless.",
			"node", u.settings.Node.Hostname, "error", err)
		return nil
	}
	return err
}

func (u *uninstall) wipe(ctx context.Context) error {
	client, err := rpc.Dial(certificate.FilesOf(u.paths), rpc.AddressOf(u.settings.Address))
	if err != nil {
		return err
	}
	defer client.Close()
	if err := (&wipe{agent: client, stopped: u.stopped}).run(ctx); err != nil {
		return cli.WithHint(fmt.Errorf("uninstall node %s: %w", u.settings.Node.Hostname, err),
			"run 'gravity leave --force' on the node, and then resume; or remove it without that, with --force")
	}
	return nil
}

// wiper is the agent of a node that is wiped: rpc.Client is one.
type wiper interface {
	// Wipe begins to remove everything, and tells why that failed when it was tried
	// last. It may be repeated.
	Wipe(ctx context.Context) (failure string, err error)
}

// wipe has an agent remove everything from its node.
type wipe struct {
	agent   wiper
	stopped func(context.Context) (bool, error)

	// told tells that the agent has begun, asked when it said so last.
	told  bool
	asked time.Time
	quiet time.Time // since when nothing runs there
	// failure is why the node could not remove it, silence why its agent or its machine
	// did not answer last.
	failure string
	silence error
}

func (w *wipe) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, wipeTimeout, fmt.Errorf("it still runs after %s", wipeTimeout))
	defer cancel()
	for !w.over(ctx) {
		select {
		case <-ctx.Done():
			return w.explain(context.Cause(ctx))
		case <-time.After(500 * time.Millisecond):
		}
	}
	return nil
}

// over tells the agent to begin, if it is time, and tells whether nothing runs there any
// more.
func (w *wipe) over(ctx context.Context) bool {
	stopped, err := w.stopped(ctx)
	if stopped {
		if w.quiet.IsZero() {
			w.quiet = time.Now()
		}
		return w.told || time.Since(w.quiet) >= quietTime
	}
	if ctx.Err() != nil {
		return false // what was said before tells more
	}
	w.quiet, w.silence = time.Time{}, err
	if !w.asked.IsZero() && time.Since(w.asked) < wipeInterval {
		return false
	}
	failure, err := w.agent.Wipe(ctx)
	switch {
	case err == nil:
		w.told, w.asked, w.failure = true, time.Now(), failure
	case ctx.Err() == nil:
		w.silence = err
	}
	return false
}

// explain adds what the node said last.
func (w *wipe) explain(err error) error {
	if w.failure != "" {
		err = fmt.Errorf("%w: %s", err, w.failure)
	}
	if w.silence != nil {
		err = fmt.Errorf("%w: %w", err, w.silence)
	}
	return err
}

// stopped tells whether the node's machine says that nobody listens where agent
// and kubelet do. One that says nothing is not known to have stopped.
func (u *uninstall) stopped(ctx context.Context) (bool, error) {
	for _, port := range []int{rpc.Port, kubeletPort} {
		if refused, err := rpc.Refused(ctx, u.settings.Address, port); !refused {
			return false, err
		}
	}
	return true, nil
}

// Rollback cannot bring the node back.
func (u *uninstall) Rollback(context.Context) error { return errForGood }

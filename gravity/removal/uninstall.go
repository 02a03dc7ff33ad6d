package removal

import (
	"context"
	"errors"
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
	ctx, cancel := context.WithTimeoutCause(ctx, wipeTimeout, fmt.Errorf("it still runs after %s", wipeTimeout))
	defer cancel()
	told := false
	var quiet time.Time
	for {
		stopped, reason := u.stopped(ctx)
		switch {
		case !stopped:
			quiet = time.Time{}
			if err := client.Wipe(ctx); err == nil {
				told = true
			} else {
				reason = err
			}
		case quiet.IsZero():
			quiet = time.Now()
		}
		if stopped && (told || time.Since(quiet) >= quietTime) {
			return nil
		}
		select {
		case <-ctx.Done():
			return cli.WithHint(fmt.Errorf("uninstall node %s: %w: %w", u.settings.Node.Hostname, context.Cause(ctx), errors.Join(reason)),
				"run 'gravity leave --force' on the node, and then resume; or remove it without that, with --force")
		case <-time.After(500 * time.Millisecond):
		}
	}
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

package main

import (
	"context"
	"sync"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/bootstrap"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
)

// dismissalInterval is how often it is looked whether this node was removed.
const dismissalInterval = 3 * time.Second

// whileMember is a server that serves while this node is one of the cluster. One
// that was removed without its knowing, and learns of it, must not lead, let
// machines join or change anything, though the keys of a master still let it. The
// cause of the context's end is bootstrap.ErrRemoved then.
func (a *agent) whileMember(serve func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		serving, stop := context.WithCancelCause(ctx)
		var watching sync.WaitGroup
		defer watching.Wait()
		defer stop(nil)
		if a.member() {
			watching.Go(func() { a.untilDismissed(serving, stop) })
			if err := serve(serving); a.member() || ctx.Err() != nil {
				return err
			}
		}
		<-ctx.Done()
		return nil
	}
}

// member tells whether the node is one of the cluster, as far as it knows.
func (a *agent) member() bool {
	dismissal, err := node.ReadDismissal(a.paths)
	return err != nil || dismissal == nil
}

// untilDismissed ends a context when the node learns that it was removed.
func (a *agent) untilDismissed(ctx context.Context, stop context.CancelCauseFunc) {
	for a.member() {
		select {
		case <-ctx.Done():
			return
		case <-time.After(dismissalInterval):
		}
	}
	stop(bootstrap.ErrRemoved)
}

// Package upkeep keeps true what was true when a node joined: its certificates
// are renewed, its labels put back, and whether this machine still is the node
// that it was is looked at again and again. The agent runs it.
package upkeep

import (
	"context"
	"log/slog"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// every calls a function at once and again after each interval, until the context
// ends. An error is logged when it is another than the one before.
func every(ctx context.Context, interval time.Duration, log *slog.Logger, what string, do func(context.Context) error) error {
	last := ""
	for {
		err := do(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the end is no failure
		}
		text := ""
		if err != nil {
			text = err.Error()
		}
		switch {
		case text != "" && text != last:
			log.Warn("the agent cannot do its work, and goes on trying", "work", what, "error", err)
		case text == "" && last != "":
			log.Info("the agent can do its work again", "work", what)
		}
		last = text
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(interval):
		}
	}
}

// Upkeep is about one node.
type Upkeep struct {
	Paths paths.Paths
	Node  *node.Node
	Log   *slog.Logger
}

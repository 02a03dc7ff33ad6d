package operation

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/provider/connection"
	"github.com/gravity-platform/terraform-provider-gravity/provider/node"
)

//go:embed script/wipe.sh
var wipeScript string

// Wipe removes Gravity from a machine, and the last node's cluster with it. program
// is the gravity to use if none is installed. That there is nothing is no error.
func Wipe(ctx context.Context, machine *node.Node, cluster, program string) error {
	key := "wipe " + cluster
	// An earlier attempt that failed is no answer.
	if state, err := machine.State(ctx, key); err != nil {
		return err
	} else if state == node.StateEnded {
		if err := machine.Forget(ctx, key); err != nil {
			return err
		}
	}
	if program == "" {
		program = "-"
	}
	args := []string{"sh", "-c", wipeScript, "wipe", machine.StateDir(), program}
	for attempt := 1; ; attempt++ {
		if _, err := machine.StartDetached(ctx, node.Detached{Key: key, Args: args}); err != nil {
			return err
		}
		outcome, err := machine.Wait(ctx, key, nil)
		if err == nil {
			if err := outcome.Err(machine.String()); err != nil {
				return err
			}
			return machine.WaitGone(ctx)
		}
		if !vanishing(err) {
			return err
		}
		limited, cancel := context.WithTimeout(ctx, vanishTimeout)
		left := machine.WaitGone(limited)
		cancel()
		if left == nil {
			return nil
		}
		if ctx.Err() != nil || attempt == restarts {
			return errors.Join(left, err)
		}
	}
}

// vanishTimeout is how long Gravity may be there after the record of its removal
// has gone, before the removal is taken for interrupted.
const vanishTimeout = time.Minute

// vanishing tells errors of a record that is there in part, or not any more: it goes
// with everything else. It looks the same after a loss of power.
func vanishing(err error) bool {
	_, failed := errors.AsType[*connection.ExitError](err)
	return failed || errors.Is(err, node.ErrAbsent) || errors.Is(err, node.ErrInterrupted)
}

// removalPause is how long a removal waits for another one.
const removalPause = 3 * time.Second

// Remove removes a node from its cluster, on a master that stays, and waits for its
// end. While the cluster is busy with another node it tries again.
func Remove(ctx context.Context, master *node.Node, name string, force bool) error {
	args := []string{node.DefaultGravity, "remove", name, "--confirm", "--wait", "-o", "json"}
	if force {
		args = append(args, "--force")
	}
	key := fmt.Sprintf("remove %s %t", name, force)
	for {
		// An earlier node of the same name is another one.
		if state, err := master.State(ctx, key); err != nil {
			return err
		} else if state == node.StateEnded {
			if err := master.Forget(ctx, key); err != nil {
				return err
			}
		}
		if _, err := master.StartDetached(ctx, node.Detached{Key: key, Args: args}); err != nil {
			return err
		}
		outcome, err := master.Wait(ctx, key, nil)
		if err != nil && !errors.Is(err, node.ErrInterrupted) {
			return err
		}
		if err == nil && outcome.ExitCode != cli.ExitBusy {
			_ = master.Forget(ctx, key)
			return outcome.Err(master.String())
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), outcome.Err(master.String()))
		case <-time.After(removalPause):
		}
	}
}

// Token makes a join token of a master, for an hour. The second result revokes it.
func Token(ctx context.Context, master *node.Node) (token string, revoke func(context.Context) error, err error) {
	made, err := node.Query[struct{ ID, Token string }](ctx, master, "token", "create", "--ttl=1h")
	if err != nil {
		return "", nil, err
	}
	revoke = func(ctx context.Context) error {
		_, err := master.Run(ctx, connection.Command{Args: []string{node.DefaultGravity, "token", "rm", made.ID}})
		return err
	}
	return made.Token, revoke, nil
}

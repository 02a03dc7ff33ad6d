package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/removal"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/version"
)

// remove is gravity remove (S24 to S26).
type remove struct {
	departure
	wait bool
}

func newRemoveCommand(g *globals) *cobra.Command {
	r := &remove{departure: departure{globals: g}}
	command := &cobra.Command{
		Use:   "remove NODE",
		Short: "Remove a node from the cluster",
		Long: "Remove a node from the cluster, and the cluster from the node. NODE is the node's host name, its address or\n" +
			"its name in Kubernetes. The command runs on a master, prints the operation and does not wait for its end.",
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error { return r.run(command, args[0]) },
	}
	r.addFlags(command, "remove the node also if it does not answer, and if hooks fail or pods do not go")
	command.Flags().BoolVar(&r.wait, "wait", false, "wait until the node is removed")
	return command
}

// slowTime is how long a removal may take to begin until a person hears of it.
const slowTime = 5 * time.Second

func (r *remove) run(command *cobra.Command, name string) error {
	if os.Geteuid() != 0 {
		return cli.WithHint(errors.New("gravity remove needs root"), "run it with sudo")
	}
	p, err := paths.New(r.stateDir)
	if err != nil {
		return err
	}
	n, err := node.Read(p)
	if err != nil {
		return err
	}
	if name == n.Name || name == n.Address.String() {
		return newLeave(r.departure).run(command, nil)
	}
	if err := r.ask(command, name, ""); err != nil {
		return err
	}
	waiting := time.AfterFunc(slowTime, func() {
		fmt.Fprintln(r.told(command, r.format), "Still asking the cluster, and whether its nodes answer.")
	})
	launched, err := removal.Launch(command.Context(), p, removal.Request{Node: name, Force: r.force}, version.Get().Version)
	waiting.Stop()
	if err != nil {
		return err
	}
	if launched.Kept {
		r.kept(command, name, "on it, if it still exists")
	}
	return r.follow(command, name, launched, func(ctx context.Context) (operation.State, error) { return removal.Wait(ctx, p, launched) })
}

// follow prints which operation removes the node, and waits for its end if it is to. For
// a program that is one object, of how the operation is then.
func (r *remove) follow(command *cobra.Command, name string, launched *removal.Launched, wait func(context.Context) (operation.State, error)) error {
	if !r.wait || r.format != cli.FormatJSON {
		if err := r.launched(command, launched.OperationID, launched.Cluster); err != nil || !r.wait {
			return err
		}
	}
	state, err := wait(command.Context())
	if r.format == cli.FormatJSON {
		if printErr := r.print(command, launched.OperationID, launched.Cluster, cmp.Or(state, operation.InProgress)); printErr != nil {
			return errors.Join(err, printErr)
		}
	}
	if err == nil && state != operation.Completed {
		err = fmt.Errorf("operation %s is %s", launched.OperationID, string(state))
	}
	if err != nil && launched.Elsewhere() {
		return cli.WithHint(err, "go on with 'gravity remove %s', on any master", name)
	}
	return cli.WithHint(err, "see 'gravity plan --operation-id=%[1]s', and go on with 'gravity plan resume --operation-id=%[1]s'", launched.OperationID)
}

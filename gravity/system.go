package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/expand"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/install"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kubeadm"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/upkeep"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

func newSystemCommand(g *globals) *cobra.Command {
	command := &cobra.Command{Use: "system", Short: "Change what Gravity is on this machine"}
	command.AddCommand(newUninstallCommand(g), newPrepareCommand(g), newFitCommand(g), newRegisterCommand(g))
	return command
}

// newUninstallCommand puts this machine back.
func newUninstallCommand(g *globals) *cobra.Command {
	var confirmed bool
	command := &cobra.Command{
		Use:   "uninstall",
		Short: "Remove Gravity and all its data from this machine",
		RunE: func(command *cobra.Command, _ []string) error {
			if os.Geteuid() != 0 {
				return cli.WithHint(errors.New("gravity system uninstall needs root"), "run it with sudo")
			}
			if !confirmed {
				return cli.WithHint(cli.Usagef("this removes the node with all its data"), "repeat it with --confirm if you mean it")
			}
			p, err := paths.New(g.stateDir)
			if err != nil {
				return err
			}
			release, err := g.hold(command.Context(), p)
			if err != nil {
				return err
			}
			defer release()
			out := command.OutOrStdout()
			if g.quiet {
				out = io.Discard
			}
			return g.removeAll(command.Context(), p, true, out, g.log(command, cli.FormatText))
		},
	}
	command.Flags().BoolVar(&confirmed, "confirm", false, "do it")
	return command
}

// removeAll removes everything of Gravity from this machine, says so to out, and tells
// masters that it does not join any more if it was about to. If they do not hear it,
// they are said to be told by a person. Unless it is done whatever it costs, a machine
// stays that masters do not let go as a member of etcd: without it they may have no
// majority.
func (g *globals) removeAll(ctx context.Context, p paths.Paths, whatever bool, out io.Writer, log logger) error {
	ends, err := g.abandonJoins(ctx, p, log)
	if _, member := errors.AsType[*expand.NotWithdrawnError](err); member && !whatever {
		return cli.WithHint(err, "repeat it when the masters are well; 'gravity system uninstall --confirm' does not wait for that, and may cost the cluster its majority")
	}
	if removeErr := install.Remove(ctx, p, out); removeErr != nil {
		return removeErr
	}
	for _, end := range ends {
		err = errors.Join(err, end(ctx))
	}
	if err != nil {
		name, _ := install.HostName()
		log.Warn("the cluster may still know this machine; if it does, remove it on a master", "command", "gravity remove "+name+" --force", "error", err)
	}
	return nil
}

// abandonJoins gives joins up that did not complete. What it returns ends them when
// nothing runs here any more.
func (g *globals) abandonJoins(ctx context.Context, p paths.Paths, log logger) (ends []func(context.Context) error, failed error) {
	ids, err := g.operations().List(ctx)
	if err != nil {
		return nil, nil //nolint:nilerr // they cannot be read
	}
	for _, id := range ids {
		found, err := g.operations().Read(ctx, id)
		if err != nil || found.State() == operation.Completed {
			continue
		}
		end, err := expand.Abandon(ctx, p, found.Plan, log)
		failed = errors.Join(failed, err)
		if end != nil {
			ends = append(ends, end)
		}
	}
	return ends, failed
}

// hold takes all operations of this node, so that none is begun or executed until
// they are released. One that is being executed is an error; one that cannot be
// read is not.
func (g *globals) hold(ctx context.Context, p paths.Paths) (release func(), err error) {
	var held closers
	defer func() {
		if err != nil {
			held.close()
		}
	}()
	if !p.Used() {
		return func() {}, nil
	}
	store := g.operations()
	exclusive, err := store.Exclusive(ctx)
	if err != nil {
		return nil, err
	}
	held = append(held, exclusive)
	ids, err := store.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		journal, err := store.Open(ctx, id)
		if errors.Is(err, operation.ErrLocked) {
			return nil, cli.WithHint(fmt.Errorf("operation %s: %w", id, err), "interrupt it first, or wait for its end: 'gravity plan --tail --operation-id=%s'", id)
		}
		if err == nil {
			held = append(held, journal)
		}
	}
	return held.close, nil
}

type closers []io.Closer

func (c closers) close() {
	for _, one := range c {
		_ = one.Close() // the files may be gone
	}
}

// newPrepareCommand is what the master container's unit calls before the
// container starts.
func newPrepareCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:    "prepare",
		Short:  "Write the master container's configuration for this machine",
		Hidden: true,
		RunE: func(command *cobra.Command, _ []string) error {
			p, err := paths.New(g.stateDir)
			if err != nil {
				return err
			}
			n, err := node.Read(p)
			if err != nil {
				return err
			}
			if err := checkIdentity(p, n); err != nil {
				return err // where systemd knows no ExecCondition
			}
			master := container.New(p)
			if err := master.Prepare(n); err != nil {
				return err
			}
			if _, err := kubeadm.RenewKubelet(p, n, time.Now()); err != nil {
				// All that is not the kubelet starts nevertheless.
				fmt.Fprintln(command.ErrOrStderr(), err)
			}
			if master.Running() {
				return nil // the pods are its own
			}
			if err := container.RemoveCgroups(command.Context(), container.PodCgroup); err != nil {
				// It starts nevertheless, only later.
				fmt.Fprintln(command.ErrOrStderr(), "cgroups of earlier pods stay:", err)
			}
			return nil
		},
	}
}

// newFitCommand is what the master container's unit asks whether it may start. If
// not, systemd skips the unit, and does not try again by itself: the agent does.
func newFitCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:    "fit",
		Short:  "Tell whether this machine is still the node that it was",
		Hidden: true,
		RunE: func(*cobra.Command, []string) error {
			p, err := paths.New(g.stateDir)
			if err != nil {
				return err
			}
			n, err := node.Read(p)
			if err != nil {
				return err
			}
			if err := checkIdentity(p, n); err != nil {
				return cli.WithCode(err, cli.ExitDegraded) // the unit knows it
			}
			return nil
		},
	}
}

func checkIdentity(p paths.Paths, n *node.Node) error {
	machine, err := node.ThisMachine()
	if err != nil {
		return err
	}
	return n.CheckIdentity(p, machine)
}

// newRegisterCommand brings a Node back that was deleted by hand.
func newRegisterCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "register",
		Short: "Register this node in Kubernetes again, after its Node object was deleted by hand",
		Long: "Register this node in Kubernetes again, after its Node object was deleted by hand. Nodes do not do that by\n" +
			"themselves. A node that was removed from the cluster is refused: it has to leave and to join.",
		RunE: func(command *cobra.Command, _ []string) error {
			p, err := paths.New(g.stateDir)
			if err != nil {
				return err
			}
			n, err := node.Read(p)
			if err != nil {
				return needsRoot(err)
			}
			return upkeep.Register(command.Context(), p, n)
		},
	}
}

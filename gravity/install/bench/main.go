// Command bench measures gravity install beside a plain kubeadm init: on lab
// machines of this host, one after another, from the same runtime. It judges
// nothing: it ends well whatever it finds.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cachedir"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/lab"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// bench is what the flags say.
type bench struct {
	Repeat   int
	Settle   time.Duration
	Tele     string
	Runtimes string
	Example  string

	version string
	folder  string
	tell    func(format string, values ...any)
}

func main() {
	lab.SuperviseIfAsked()
	os.Exit(cli.Run(newCommand()))
}

func newCommand() *cobra.Command {
	b := &bench{}
	var asJSON bool
	command := &cobra.Command{
		Use: "bench", Short: "Measure gravity install beside kubeadm init", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			b.tell = func(format string, values ...any) {
				fmt.Fprintf(command.ErrOrStderr(), "bench: "+format+"\n", values...)
			}
			found, err := b.within(command.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return cli.PrintJSON(command.OutOrStdout(), found)
			}
			return found.print(command.OutOrStdout())
		},
	}
	flags := command.Flags()
	flags.IntVar(&b.Repeat, "repeat", 3, "how often each is measured")
	flags.DurationVar(&b.Settle, "settle", 20*time.Second, "how long a cluster runs before its memory is measured")
	flags.BoolVar(&asJSON, "json", false, "print all figures as JSON")
	flags.StringVar(&b.Tele, "tele", "bin/tele", "the program `FILE`")
	flags.StringVar(&b.Runtimes, "runtimes", "", "the OCI layout `FOLDER` of runtimes (default: what make runtimes built)")
	flags.StringVar(&b.Example, "example", "examples/apps/ledger", "the `FOLDER` of the example application")
	return command
}

// within measures in a folder of its own, which it removes before anything is
// printed.
func (b *bench) within(ctx context.Context) (found *findings, err error) {
	if b.Repeat < 1 {
		return nil, cli.Usagef("--repeat begins at 1")
	}
	if os.Geteuid() != 0 {
		return nil, cli.WithHint(errors.New("lab machines need root"), "run it with sudo")
	}
	if b.Runtimes == "" {
		if b.Runtimes, err = cachedir.Path("runtimes/layout"); err != nil {
			return nil, err
		}
	}
	if b.Tele, err = filepath.Abs(b.Tele); err != nil {
		return nil, err
	}
	if _, err := os.Stat(b.Tele); err != nil {
		return nil, cli.WithHint(err, "run 'make bench-install', which builds it")
	}
	catalogue, err := runtime.Releases()
	if err != nil {
		return nil, err
	}
	b.version = catalogue.Releases[0].Version
	if b.folder, err = os.MkdirTemp("", "bench-install-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.folder)) }()
	return b.all(ctx)
}

// all measures each scenario once, and then all of them again, so that what
// else the host does meets all of them.
func (b *bench) all(ctx context.Context) (*findings, error) {
	scenarios, err := b.scenarios(ctx)
	if err != nil {
		return nil, err
	}
	found := &findings{Kubernetes: b.version}
	for _, s := range scenarios {
		found.Scenarios = append(found.Scenarios, results{Name: s.name, Bundle: s.size})
	}
	for run := range b.Repeat {
		for n, s := range scenarios {
			figures, err := b.onMachine(ctx, s.measure)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			b.tell("%s, %d of %d: healthy after %.1f s", s.name, run+1, b.Repeat, figures.Healthy)
			found.Scenarios[n].Runs = append(found.Scenarios[n].Runs, *figures)
		}
	}
	return found, nil
}

// onMachine measures on a new machine, alone on its lab.
func (b *bench) onMachine(ctx context.Context, measure func(context.Context, *lab.Machine) (*figures, error)) (found *figures, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, machineTimeout, fmt.Errorf("not measured after %s", machineTimeout))
	defer cancel()
	machines, err := lab.New(ctx, lab.Options{Name: fmt.Sprintf("bench-install-%d", os.Getpid()), Count: 1})
	if err != nil {
		return nil, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
		defer cancel()
		err = errors.Join(err, machines.Close(ctx))
	}()
	machine := machines.Machines()[0]
	if found, err = measure(ctx, machine); err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-time.After(b.Settle):
	}
	return found, found.use(ctx, machine)
}

// machineTimeout bounds what is done on one machine.
const machineTimeout = 15 * time.Minute

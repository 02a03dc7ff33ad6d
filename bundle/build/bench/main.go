// Command bench measures tele build: the time, the memory and the requests that
// it takes, beside those of crane and skopeo, on this machine, with images that
// it makes and serves itself. It judges nothing: it ends well whatever it finds.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cachedir"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// sizes are how many bytes of blobs some numbers of images have; other numbers
// have averageSize for each image.
var sizes = map[int]int64{12: 300e6, 60: 600e6}

const averageSize = 15e6

// settings are what the flags say.
type settings struct {
	Images    []int
	Latencies []time.Duration
	Repeat    int
	Memory    bool
	Runtime   bool
	Deltas    bool
	Tele      string
	Crane     string
	Runtimes  string
}

func main() { os.Exit(cli.Run(newRootCommand())) }

func newRootCommand() *cobra.Command {
	b := &bench{}
	var latencies, temporary string
	var asJSON bool
	command := &cobra.Command{
		Use: "bench", Short: "Measure tele build beside crane and skopeo", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) (err error) {
			if b.Latencies, err = parseLatencies(latencies); err != nil {
				return err
			}
			if b.Runtimes == "" {
				if b.Runtimes, err = cachedir.Path("runtimes/layout"); err != nil {
					return err
				}
			}
			b.tell = func(format string, values ...any) {
				fmt.Fprintf(command.ErrOrStderr(), "bench: "+format+"\n", values...)
			}
			found, err := b.within(command.Context(), temporary)
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
	flags.IntSliceVar(&b.Images, "images", []int{12, 60}, "how many images")
	flags.StringVar(&latencies, "latency", "0,20ms", "how late the registry answers: durations, or milliseconds")
	flags.IntVar(&b.Repeat, "repeat", 3, "how often each tool is run")
	flags.BoolVar(&b.Memory, "memory", true, "build a bundle of 4 GB")
	flags.BoolVar(&b.Runtime, "runtime", true, "build a bundle of a runtime")
	flags.BoolVar(&b.Deltas, "deltas", true, "build bundles with embedded releases, and upon others")
	flags.BoolVar(&asJSON, "json", false, "print all figures as JSON")
	flags.StringVar(&b.Tele, "tele", "bin/tele", "the program `FILE`")
	flags.StringVar(&b.Crane, "crane", "bin/crane", "the program `FILE`")
	flags.StringVar(&b.Runtimes, "runtimes", "", "the OCI layout `FOLDER` of runtimes (default: what make runtimes built)")
	flags.StringVar(&temporary, "temporary", "", "the `FOLDER` for images and bundles (default: that of the system)")
	command.AddCommand(newServeCommand())
	return command
}

func parseLatencies(text string) ([]time.Duration, error) {
	var latencies []time.Duration
	for part := range splitList(text) {
		if number, err := strconv.Atoi(part); err == nil {
			latencies = append(latencies, time.Duration(number)*time.Millisecond)
			continue
		}
		latency, err := time.ParseDuration(part)
		if err != nil {
			return nil, cli.Usagef("--latency %s: write durations, as in 0,20ms", text)
		}
		latencies = append(latencies, latency)
	}
	return latencies, nil
}

// within measures in a folder of its own, which it removes before anything is
// printed: whoever reads that may go away.
func (b *bench) within(ctx context.Context, temporary string) (found *findings, err error) {
	if b.folder, err = os.MkdirTemp(temporary, "bench-tele-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.folder)) }()
	return b.all(ctx)
}

// all measures what was asked for.
func (b *bench) all(ctx context.Context) (*findings, error) {
	if b.Repeat < 1 || slices.ContainsFunc(b.Images, func(n int) bool { return n < 1 }) {
		return nil, cli.Usagef("--images and --repeat begin at 1")
	}
	for _, path := range []*string{&b.Tele, &b.Crane} {
		full, err := filepath.Abs(*path)
		if err == nil {
			_, err = os.Stat(full)
		}
		if err != nil {
			return nil, cli.WithHint(fmt.Errorf("find the programs: %w", err), "run 'make bench-tele', which builds them")
		}
		*path = full
	}
	found := &findings{}
	for _, images := range b.Images {
		size, ok := sizes[images]
		if !ok {
			size = int64(images) * averageSize
		}
		results, err := b.compare(ctx, images, size)
		if err != nil {
			return nil, err
		}
		found.Scenarios = append(found.Scenarios, results...)
	}
	var err error
	if b.Memory {
		if found.Large, err = b.large(ctx); err != nil {
			return nil, err
		}
	}
	if b.Runtime {
		if found.Runtime, err = b.runtime(ctx); err != nil {
			return nil, err
		}
	}
	if b.Deltas {
		found.Deltas, err = b.deltas(ctx)
	}
	return found, err
}

package main

import (
	"cmp"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// What tele build is to reach, in ratios of times within one run, and bytes.
const (
	targetCrane     = 0.6
	targetSkopeo    = 3
	targetUnchanged = 20
	targetMemory    = 100e6
	targetRuntime   = 120e6
	targetEmbedded  = 30e6
)

// findings are all that was measured.
type findings struct {
	Scenarios []scenario `json:"scenarios"`
	Large     *single    `json:"large,omitempty"`
	Runtime   *single    `json:"runtime,omitempty"`
	// Deltas are of bundles with embedded releases, and upon others.
	Deltas []addition `json:"deltas,omitempty"`
}

func splitList(text string) iter.Seq[string] { return strings.SplitSeq(text, ",") }

// median is that of one figure of some runs.
func median[T cmp.Ordered](runs []figures, of func(figures) T) T {
	values := make([]T, len(runs))
	for i, one := range runs {
		values[i] = of(one)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func wall(f figures) float64 { return f.Wall }

// print writes two tables: of figures, and of what is to be reached.
func (f *findings) print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "images\tMB\tlatency\t wall s\tmin s\tCPU s\tpeak MB\tHEAD\tmanifests\tblobs\tMB served\t  what\t")
	for _, s := range f.Scenarios {
		for _, what := range measured {
			s.row(table, what)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	f.Large.print(w, "4 images of 1 GB each")
	f.Runtime.print(w, "a runtime")
	for _, one := range f.Deltas {
		one.Cold.print(w, one.What)
		one.Cached.print(w, one.What+", deltas cached")
	}
	fmt.Fprintln(w)
	table = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "measure\tfound\tto reach\t")
	for _, s := range f.Scenarios {
		s.judge(table)
	}
	if f.Large != nil {
		judge(table, "peak of memory for 4 GB, MB", megabytes(f.Large.Memory), "below", targetMemory/1e6)
	}
	if f.Runtime != nil {
		judge(table, "size of a runtime, MB", megabytes(f.Runtime.Bundle), "below", targetRuntime/1e6)
	}
	for _, one := range f.Deltas {
		judge(table, one.What+": adds MB", megabytes(one.Added), "below", targetEmbedded/1e6)
		judge(table, one.What+": peak of memory if cached, MB", megabytes(one.Cached.Memory), "below", targetMemory/1e6)
	}
	return table.Flush()
}

func megabytes(bytes int64) float64 { return float64(bytes) / 1e6 }

// row shows the medians of one tool.
func (s *scenario) row(w io.Writer, what string) {
	runs := s.Runs[what]
	least := slices.MinFunc(runs, func(a, b figures) int { return cmp.Compare(a.Wall, b.Wall) })
	counted := runs[len(runs)-1].Counts
	fmt.Fprintf(w, "%d\t%.0f\t%s\t%.3f\t%.3f\t%.2f\t%.0f\t%d\t%d\t%d\t%.1f\t  %s\t\n", s.Images, megabytes(s.Size), s.Latency,
		median(runs, wall), least.Wall, median(runs, func(f figures) float64 { return f.CPU }),
		megabytes(median(runs, func(f figures) int64 { return f.Memory })),
		counted.Head, counted.Manifests, counted.Blobs+counted.Others, megabytes(counted.Bytes), what)
}

// judge compares with what is to be reached.
func (s *scenario) judge(w io.Writer) {
	name := fmt.Sprintf("%d images, latency %s: ", s.Images, s.Latency.Round(time.Millisecond))
	time := func(what string) float64 { return median(s.Runs[what], wall) }
	cold, unchanged := time(teleCold), time(teleUnchanged)
	judge(w, name+"cold / crane and tar", cold/time(craneTar), "below", targetCrane)
	judge(w, name+"cold / crane, tar and sync", cold/time(craneDurable), "", 0)
	judge(w, name+"skopeo / cold", time(skopeoCopy)/cold, "above", targetSkopeo)
	judge(w, name+"cold / unchanged", cold/unchanged, "above", targetUnchanged)
	requests := s.Runs[teleUnchanged][0].Counts.requests()
	judge(w, name+"requests for an image if unchanged", float64(requests)/float64(s.Images), "below", 1)
	peak := slices.MaxFunc(s.Runs[teleCold], func(a, b figures) int { return cmp.Compare(a.Memory, b.Memory) })
	judge(w, name+"peak of memory, MB", megabytes(peak.Memory), "below", targetMemory/1e6)
}

// judge shows one measure. One that may be as large as the target is below it.
func judge(w io.Writer, name string, found float64, side string, target float64) {
	met := side == "below" && found <= target || side == "above" && found >= target
	switch {
	case side == "":
		fmt.Fprintf(w, "%s\t%.2f\t\t\n", name, found)
	case met:
		fmt.Fprintf(w, "%s\t%.2f\t%s %g\tmet\n", name, found, side, target)
	default:
		fmt.Fprintf(w, "%s\t%.2f\t%s %g\tNOT MET\n", name, found, side, target)
	}
}

// print shows a build that was measured once, if it was.
func (s *single) print(w io.Writer, name string) {
	if s != nil {
		fmt.Fprintf(w, "%s: a bundle of %.1f MB, %.2f s, CPU %.2f s, peak %.0f MB\n",
			name, megabytes(s.Bundle), s.Wall, s.CPU, megabytes(s.Memory))
	}
}

package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// target is how much longer than kubeadm init an installation may take.
const target = 2

// findings are all that was measured; the first scenario is what the others are
// compared with.
type findings struct {
	Kubernetes string    `json:"kubernetes"`
	Scenarios  []results `json:"scenarios"`
}

// results are the runs of one scenario, and the size of its bundle in bytes.
type results struct {
	Name   string    `json:"name"`
	Bundle int64     `json:"bundle,omitempty"`
	Runs   []figures `json:"runs"`
}

// median is that of one figure of some runs.
func median[T cmp.Ordered](runs []figures, of func(*figures) T) T {
	values := make([]T, len(runs))
	for i := range runs {
		values[i] = of(&runs[i])
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func healthy(f *figures) float64 { return f.Healthy }

func active(f *figures) float64 { return f.Active }

// print writes a table of medians, and where the time went.
func (f *findings) print(w io.Writer) error {
	reference := median(f.Scenarios[0].Runs, healthy)
	fmt.Fprintf(w, "Kubernetes %s on one lab machine; medians of %d runs; ratios are to kubeadm init, to reach: below %d\n\n",
		f.Kubernetes, len(f.Scenarios[0].Runs), target)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "before s\thealthy s\tratio\tactive s\tratio\tmemory MB\twith programs\tdisk MB\tbundle MB\t  what\t")
	for _, s := range f.Scenarios {
		s.row(table, reference)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, s := range f.Scenarios[1:] {
		if err := s.details(w); err != nil {
			return err
		}
	}
	_, err := fmt.Fprint(w, "\n"+remarks)
	return err
}

// remarks are what makes the numbers special.
const remarks = `before: what kubeadm init needs and gravity install does itself: the master
container unpacked and running, images in its registry. memory: anonymous memory
of all processes of the machine; the next column has programs and libraries, too.
disk: all below /var/lib/gravity, images that containerd unpacked among it.
Lab machines share this host's processors and memory. Their disks are sparse
files without write barriers, so fsync, and with it etcd and the package store,
is faster than on disks of their own; what a site measures will be more.
`

func megabytes(bytes int64) string { return fmt.Sprintf("%.0f", float64(bytes)/1e6) }

// orNone writes a figure, or nothing if there is none.
func orNone(format string, value float64) string {
	if value == 0 {
		return ""
	}
	return fmt.Sprintf(format, value)
}

func (s *results) row(w io.Writer, reference float64) {
	installed := median(s.Runs, active)
	size := ""
	if s.Bundle > 0 {
		size = megabytes(s.Bundle)
	}
	fmt.Fprintf(w, "%s\t%.1f\t%.2f\t%s\t%s\t%s\t%s\t%s\t%s\t  %s\t\n",
		orNone("%.1f", median(s.Runs, func(f *figures) float64 { return f.Prepared })),
		median(s.Runs, healthy), median(s.Runs, healthy)/reference,
		orNone("%.1f", installed), orNone("%.2f", installed/reference),
		megabytes(median(s.Runs, func(f *figures) int64 { return f.Anonymous })),
		megabytes(median(s.Runs, func(f *figures) int64 { return f.Proportional })),
		megabytes(median(s.Runs, func(f *figures) int64 { return f.Disk })), size, s.Name)
}

// details shows how long phases took, and what lies on the disk.
func (s *results) details(w io.Writer) error {
	fmt.Fprintf(w, "\n%s, by phases:\n", s.Name)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for n, phase := range s.Runs[0].Phases {
		fmt.Fprintf(table, "  %s\t%5.1f s\n", phase.ID, median(s.Runs, func(f *figures) float64 { return f.Phases[n].Seconds }))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	var folders []string
	last := s.Runs[len(s.Runs)-1].Folders
	for _, name := range slices.SortedFunc(maps.Keys(last), func(a, b string) int { return cmp.Compare(last[b], last[a]) }) {
		if last[name] >= 1e6 {
			folders = append(folders, name+" "+megabytes(last[name]))
		}
	}
	_, err := fmt.Fprintf(w, "  on disk, MB: %s\n", strings.Join(folders, ", "))
	return err
}

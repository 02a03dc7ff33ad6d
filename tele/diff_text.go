package main

import (
	"fmt"
	"io"

	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

// printDifference writes a difference for a person: both bundles beside each
// other, then a line for each thing that came (+), went (-) or changed (~).
func printDifference(out io.Writer, d *report.Difference) error {
	if d.Identical {
		_, err := fmt.Fprintf(out, "The bundles are identical: %s %s\n%s\n", d.New.Name, d.New.Version, d.New.Digest)
		return err
	}
	table := newTable(out)
	row(table, "", "OLD", "NEW")
	row(table, "Application", d.Old.Name+" "+d.Old.Version, d.New.Name+" "+d.New.Version)
	row(table, "Kubernetes", orNone(d.Old.Runtime), orNone(d.New.Runtime))
	row(table, "Platform", d.Old.Platform, d.New.Platform)
	row(table, "Size", formatSize(d.Old.Size), formatSize(d.New.Size))
	if err := table.Flush(); err != nil {
		return err
	}
	printNames(out, "Embedded runtimes", d.Embedded)
	printImageChanges(out, d.Images)
	printNames(out, "Files of the application", d.Files)
	printNames(out, "Entries", d.Entries)
	_, err := fmt.Fprintf(out, "\nNEW has %s that OLD has not: %s and what is in changed entries\n",
		formatSize(d.NewSize), count(d.NewBlobs.Count, "blob"))
	return err
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

func printNames(out io.Writer, title string, names report.Names) {
	if len(names.Added)+len(names.Removed)+len(names.Changed) == 0 {
		return
	}
	fmt.Fprintf(out, "\n%s:\n", title)
	printMarked(out, "+", names.Added)
	printMarked(out, "-", names.Removed)
	printMarked(out, "~", names.Changed)
}

func printImageChanges(out io.Writer, changes report.ImageChanges) {
	if len(changes.Added)+len(changes.Removed)+len(changes.Changed) == 0 {
		return
	}
	fmt.Fprintf(out, "\nImages (%d unchanged):\n", changes.Unchanged)
	printMarked(out, "+", changes.Added)
	printMarked(out, "-", changes.Removed)
	for _, change := range changes.Changed {
		if change.Old == change.New {
			fmt.Fprintf(out, "  ~ %s\n", change.New)
			continue
		}
		fmt.Fprintf(out, "  ~ %s -> %s\n", change.Old, change.New)
	}
}

func printMarked(out io.Writer, mark string, names []string) {
	for _, name := range names {
		fmt.Fprintf(out, "  %s %s\n", mark, oneLine(name))
	}
}

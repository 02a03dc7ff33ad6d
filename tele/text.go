package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// formatSize writes bytes in the decimal unit that leaves three digits or so.
func formatSize(bytes int64) string {
	switch size := float64(bytes); {
	case bytes < 1000:
		return fmt.Sprintf("%d B", bytes)
	case size < 999.95e3:
		return fmt.Sprintf("%.1f kB", size/1e3)
	case size < 999.95e6:
		return fmt.Sprintf("%.1f MB", size/1e6)
	default:
		return fmt.Sprintf("%.1f GB", size/1e9)
	}
}

// count writes a number with its noun, which gets an s where it is not one.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// newTable aligns cells that are separated by tabs. The caller flushes it.
func newTable(out io.Writer) *tabwriter.Writer {
	return tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
}

// row writes a row of a table. Empty cells at its end leave no blanks.
func row(table io.Writer, cells ...string) {
	fmt.Fprintln(table, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
}

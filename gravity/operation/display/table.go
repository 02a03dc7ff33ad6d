// Package display shows plans: as a table, JSON or YAML, and as they go on
// (S48).
package display

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
)

// dateFormat is that of the column Updated; times are shown in UTC.
const dateFormat = "Mon Jan _2 15:04 UTC"

const (
	red   = "\x1b[31m"
	reset = "\x1b[0m"
)

// Options are how a table looks.
type Options struct {
	// Short leaves out all columns but the phase, its state and the time.
	Short bool
	// Color marks failures; for terminals.
	Color bool
}

// column has a title and the text of a phase.
type column struct {
	title string
	text  func(phase *operation.Phase, depth int) string
}

func columns(short bool) []column {
	phase := column{"Phase", func(p *operation.Phase, depth int) string {
		return strings.Repeat("  ", depth) + marker(p.State) + " " + p.Name()
	}}
	state := column{"State", func(p *operation.Phase, _ int) string { return p.State.String() }}
	updated := column{"Updated", func(p *operation.Phase, _ int) string { return date(p.Updated) }}
	if short {
		return []column{phase, state, updated}
	}
	return []column{
		phase,
		{"Description", func(p *operation.Phase, _ int) string { return p.Description }},
		state,
		{"Node", func(p *operation.Phase, _ int) string { return node(p) }},
		{"Requires", func(p *operation.Phase, _ int) string { return strings.Join(p.Requires, ",") }},
		updated,
	}
}

// Table writes a resolved plan as a table, with the errors of failed phases
// below.
func Table(w io.Writer, plan *operation.Plan, options Options) error {
	var out bytes.Buffer
	table := tabwriter.NewWriter(&out, 0, 10, 5, ' ', 0)
	shown := columns(options.Short)
	row(table, shown, func(c column) string { return c.title })
	row(table, shown, func(c column) string { return strings.Repeat("-", len(c.title)) })
	rows(table, shown, plan.Phases, 0)
	if err := table.Flush(); err != nil {
		return err
	}
	for _, phase := range plan.Leaves() {
		if phase.State == operation.Failed {
			failed(&out, &phase, options.Color)
		}
	}
	_, err := w.Write(out.Bytes())
	return err
}

func rows(w io.Writer, shown []column, phases []operation.Phase, depth int) {
	for i := range phases {
		row(w, shown, func(c column) string { return c.text(&phases[i], depth) })
		rows(w, shown, phases[i].Phases, depth+1)
	}
}

func row(w io.Writer, shown []column, text func(column) string) {
	cells := make([]string, len(shown))
	for i, c := range shown {
		cells[i] = printable(text(c))
		if cells[i] == "" {
			cells[i] = "-"
		}
	}
	fmt.Fprintln(w, strings.Join(cells, "\t"))
}

func failed(w io.Writer, phase *operation.Phase, color bool) {
	begin, end := "", ""
	if color {
		begin, end = red, reset
	}
	fmt.Fprintf(w, "%sThe %s phase (%q) has failed%s\n", begin, phase.ID, phase.Description, end)
	if phase.Error == nil {
		return
	}
	for _, line := range lines(phase.Error) {
		fmt.Fprintf(w, "\t%s%s%s\n", begin, line, end)
	}
	for _, hint := range phase.Error.Hints {
		fmt.Fprintf(w, "\thint: %s\n", printable(hint))
	}
}

// lines are those of a failure's message.
func lines(failure *operation.Failure) []string {
	split := strings.Split(strings.TrimSpace(failure.Message), "\n")
	for i, line := range split {
		split[i] = printable(line)
	}
	return split
}

// printable keeps what executors say from moving the cursor.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

func marker(state operation.State) string {
	switch state {
	case operation.InProgress:
		return "→"
	case operation.Completed:
		return "✓"
	case operation.Failed:
		return "×"
	case operation.RolledBack:
		return "⤺"
	default:
		return "*"
	}
}

// node is where a phase is done, if that is not the node which it is about.
func node(phase *operation.Phase) string {
	if phase.Data == nil || phase.Data.ExecServer == nil {
		return ""
	}
	return phase.Data.ExecServer.AdvertiseIP
}

func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(dateFormat)
}

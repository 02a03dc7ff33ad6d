package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

// How often progress is shown: a line on a terminal replaces the one before it,
// elsewhere it stays.
const (
	terminalInterval = 100 * time.Millisecond
	lineInterval     = 5 * time.Second
)

// progress shows on standard error how far an operation is. One goroutine at a
// time may use it.
type progress struct {
	out      io.Writer
	show     func(report.Progress) error
	action   string
	interval time.Duration
	started  time.Time
	last     time.Time
	// shown tells that the line on the terminal has to be cleared.
	shown bool
}

// newProgress shows progress as out and format ask for it; not at all if quiet.
func newProgress(out io.Writer, format cli.Format, quiet bool, action string) *progress {
	now := time.Now()
	p := &progress{out: out, action: action, interval: lineInterval, started: now, last: now}
	switch {
	case quiet:
		p.show = func(report.Progress) error { return nil }
	case format == cli.FormatJSON:
		p.show = p.object
	case isTerminal(out):
		p.show, p.interval = p.replace, terminalInterval
	default:
		p.show = p.line
	}
	return p
}

// update takes a state, and shows it if it is time to. What cannot be shown is not
// missed.
func (p *progress) update(state bundle.Progress) {
	now := time.Now()
	if now.Sub(p.last) < p.interval {
		return
	}
	p.last = now
	rate := float64(state.Done) / now.Sub(p.started).Seconds()
	_ = p.show(report.Progress{Action: p.action, Done: state.Done, Total: state.Total, Rate: int64(rate)})
}

// end clears what is on the terminal.
func (p *progress) end() {
	if p.shown {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

func (p *progress) object(state report.Progress) error {
	return json.NewEncoder(p.out).Encode(map[string]report.Progress{"progress": state})
}

func (p *progress) line(state report.Progress) error {
	_, err := fmt.Fprintln(p.out, progressText(state))
	return err
}

func (p *progress) replace(state report.Progress) error {
	p.shown = true
	_, err := fmt.Fprintf(p.out, "\r\x1b[K%s", progressText(state))
	return err
}

func progressText(state report.Progress) string {
	percent := int64(100)
	if state.Total > 0 {
		percent = state.Done * 100 / state.Total
	}
	return fmt.Sprintf("%s: %d%%, %s of %s, %s/s", state.Action, percent,
		formatSize(state.Done), formatSize(state.Total), formatSize(state.Rate))
}

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

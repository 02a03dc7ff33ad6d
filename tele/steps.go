package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/build"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/pull"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

// stillInterval is how often a step that takes long says so where lines stay
// (section 2.3 of the original's behaviour).
const stillInterval = 10 * time.Second

// steps shows the steps of a build on standard error.
type steps struct {
	out      io.Writer
	format   cli.Format
	quiet    bool
	terminal bool
	started  time.Time
	stop     chan struct{}
	stopped  sync.WaitGroup

	lock sync.Mutex
	// step began at since; moved is how far it is.
	step  string
	since time.Time
	moved build.Transfer
	// shown tells that a line on the terminal has to be cleared.
	shown bool
}

// newSteps begins to show steps. The caller calls end.
func newSteps(out io.Writer, format cli.Format, quiet bool) *steps {
	s := &steps{
		out: out, format: format, quiet: quiet, started: time.Now(), stop: make(chan struct{}),
		terminal: format == cli.FormatText && isTerminal(out),
	}
	if !quiet {
		s.stopped.Go(s.tick)
	}
	return s
}

// tick shows from time to time how far the current step is.
func (s *steps) tick() {
	interval := stillInterval
	switch {
	case s.terminal:
		interval = terminalInterval
	case s.format == cli.FormatJSON:
		interval = time.Second
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-ticker.C:
			s.lock.Lock()
			s.still()
			s.lock.Unlock()
		}
	}
}

// still shows how far the current step is.
func (s *steps) still() {
	elapsed := time.Since(s.since)
	if s.step == "" {
		return
	}
	switch {
	case s.format == cli.FormatJSON:
		if s.moved.Total > 0 {
			printEvent(s.out, report.BuildEvent{Progress: &report.Progress{
				Action: s.step, Done: s.moved.Done, Total: s.moved.Total, Rate: s.rate(elapsed),
			}})
		}
	case s.terminal:
		if elapsed < terminalInterval {
			return
		}
		s.shown = true
		fmt.Fprintf(s.out, "\r\x1b[K\t%s", s.how(elapsed))
	default:
		fmt.Fprintf(s.out, "\tStill %s (%s)\n", lowerFirst(s.step), s.how(elapsed))
	}
}

// how says how long a step has taken and what it has moved.
func (s *steps) how(elapsed time.Duration) string {
	text := formatElapsed(elapsed) + " elapsed"
	if s.moved.Total > 0 {
		text += fmt.Sprintf(", %s of %s, %s/s", formatSize(s.moved.Done), formatSize(s.moved.Total), formatSize(s.rate(elapsed)))
	}
	return text
}

func (s *steps) rate(elapsed time.Duration) int64 {
	return int64(float64(s.moved.Done) / max(elapsed.Seconds(), 0.001))
}

// event shows an event of the build.
func (s *steps) event(event build.Event) {
	if s.quiet {
		return
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	switch {
	case event.Transfer != nil:
		s.moved = *event.Transfer
	case event.Step != nil:
		s.step, s.since, s.moved = event.Step.Message, time.Now(), build.Transfer{}
		s.line(fmt.Sprintf("* [%d/%d] %s", event.Step.Number, event.Step.Total, event.Step.Message),
			report.BuildEvent{Step: &report.BuildStep{
				Number: event.Step.Number, Total: event.Step.Total, Message: event.Step.Message,
			}})
	case event.Detail != "":
		s.line("\t"+event.Detail, report.BuildEvent{Detail: event.Detail})
	case event.Image != nil:
		s.image(event.Image)
	}
}

func (s *steps) image(image *build.ImageState) {
	told := report.BuildEvent{Image: &report.BuildImage{Reference: image.Reference, State: string(image.State)}}
	if image.Err != nil {
		told.Image.Error = image.Err.Error()
	}
	switch {
	case s.format == cli.FormatJSON:
		printEvent(s.out, told)
	case image.State == pull.Fetching && !image.Local:
		s.line("\tPulling remote image "+image.Reference, told)
	case image.State == pull.Complete && image.Local:
		s.line("\tUsing local image "+image.Reference, told)
	case image.State == pull.Complete:
		s.line("\tVendored image "+image.Reference, told)
	}
}

// line writes a line that stays.
func (s *steps) line(text string, event report.BuildEvent) {
	if s.format == cli.FormatJSON {
		printEvent(s.out, event)
		return
	}
	s.clear()
	fmt.Fprintln(s.out, text)
}

func (s *steps) clear() {
	if s.shown {
		fmt.Fprint(s.out, "\r\x1b[K")
		s.shown = false
	}
}

// end tells how long the build took.
func (s *steps) end(err error) {
	if s.quiet {
		return
	}
	close(s.stop)
	s.stopped.Wait()
	s.clear()
	if s.format == cli.FormatJSON {
		return
	}
	how := "completed in"
	if err != nil {
		how = "aborted after"
	}
	fmt.Fprintf(s.out, "Build %s %s\n", how, formatElapsed(time.Since(s.started)))
}

// printEvent writes an object on one line. What cannot be written is not missed.
func printEvent(out io.Writer, event report.BuildEvent) { _ = json.NewEncoder(out).Encode(event) }

// formatElapsed writes a time in words, as in "1 minute 5 seconds".
func formatElapsed(elapsed time.Duration) string {
	if elapsed < time.Second {
		return "less than a second"
	}
	seconds := int(elapsed.Seconds())
	var words []string
	for _, unit := range []struct {
		seconds int
		name    string
	}{{3600, "hour"}, {60, "minute"}, {1, "second"}} {
		if n := seconds / unit.seconds; n > 0 {
			words = append(words, count(n, unit.name))
			seconds -= n * unit.seconds
		}
	}
	return strings.Join(words, " ")
}

func lowerFirst(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToLower(first)) + text[size:]
}

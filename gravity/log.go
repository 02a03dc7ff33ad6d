package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

// told is where a command tells what it does: as lines or, for -o json, as an
// object for each line. Nobody wants that with --quiet.
func (g *globals) told(command *cobra.Command, format cli.Format) io.Writer {
	switch {
	case g.quiet:
		return io.Discard
	case format == cli.FormatJSON:
		return &lineObjects{out: command.ErrOrStderr()}
	}
	return command.ErrOrStderr()
}

// logger is where executors tell what they do, and what their programs print.
type logger struct {
	*slog.Logger
	output io.Writer
}

// Output receives what programs print that a phase runs; see operation.Output.
func (l logger) Output() io.Writer { return l.output }

// log is where executors tell what they do: their warnings always, the rest with
// --debug.
func (g *globals) log(command *cobra.Command, format cli.Format) logger {
	level := slog.LevelWarn
	if g.debug {
		level = slog.LevelDebug
	}
	stderr := command.ErrOrStderr()
	var handler slog.Handler = newWarnings(stderr)
	switch {
	case format == cli.FormatJSON:
		handler = &messages{warnings: newWarnings(stderr), level: level}
	case g.debug:
		handler = slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level})
	}
	return logger{slog.New(handler), g.told(command, format)}
}

// warn warns a person, or a program.
func (g *globals) warn(command *cobra.Command, format cli.Format, text string) {
	if format == cli.FormatJSON {
		_ = writeMessage(command.ErrOrStderr(), report.Message{Level: "warning", Text: text})
		return
	}
	fmt.Fprintln(command.ErrOrStderr(), "warning: "+text)
}

// lineObjects writes an object {"message":…} for each line.
type lineObjects struct {
	lock sync.Mutex
	rest []byte
	out  io.Writer
}

// maxLine is how much of a line is kept that does not end, in bytes.
const maxLine = 64 << 10

// Write takes lines, also in parts. What has no end is written when it is too
// long.
func (l *lineObjects) Write(p []byte) (int, error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.rest = append(l.rest, p...)
	for {
		line, rest, found := bytes.Cut(l.rest, []byte("\n"))
		if !found && len(line) < maxLine {
			return len(p), nil
		}
		l.rest = rest
		if err := writeMessage(l.out, report.Message{Level: "info", Text: string(line)}); err != nil {
			return 0, err
		}
	}
}

func writeMessage(out io.Writer, message report.Message) error {
	return json.NewEncoder(out).Encode(map[string]report.Message{"message": message})
}

// warnings is a handler of log records for people: warnings and errors, one on a
// line, without times.
type warnings struct {
	lock  *sync.Mutex
	out   io.Writer
	attrs []slog.Attr
}

func newWarnings(out io.Writer) *warnings { return &warnings{lock: &sync.Mutex{}, out: out} }

// Enabled takes warnings and what is worse.
func (w *warnings) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

// Handle writes "warning: MESSAGE (KEY: VALUE, …)".
func (w *warnings) Handle(_ context.Context, record slog.Record) error {
	var details []string
	w.each(record, func(key, value string) { details = append(details, key+": "+value) })
	text := "warning: " + record.Message
	if len(details) > 0 {
		text += " (" + strings.Join(details, ", ") + ")"
	}
	w.lock.Lock()
	defer w.lock.Unlock()
	_, err := fmt.Fprintln(w.out, text)
	return err
}

// each calls a function with all attributes of a record.
func (w *warnings) each(record slog.Record, call func(key, value string)) {
	for _, attr := range w.attrs {
		call(attr.Key, attr.Value.String())
	}
	record.Attrs(func(attr slog.Attr) bool {
		call(attr.Key, attr.Value.String())
		return true
	})
}

// WithAttrs adds attributes to each record.
func (w *warnings) WithAttrs(attrs []slog.Attr) slog.Handler { return w.with(attrs) }

func (w *warnings) with(attrs []slog.Attr) *warnings {
	more := *w
	more.attrs = append(append([]slog.Attr{}, w.attrs...), attrs...)
	return &more
}

// WithGroup keeps attributes as they are: people need no groups.
func (w *warnings) WithGroup(string) slog.Handler { return w }

// messages is a handler of log records for programs: an object for each.
type messages struct {
	*warnings
	level slog.Level
}

// Enabled takes records of the level and above.
func (m *messages) Enabled(_ context.Context, level slog.Level) bool { return level >= m.level }

// Handle writes an object {"message":…}.
func (m *messages) Handle(_ context.Context, record slog.Record) error {
	message := report.Message{Level: strings.ToLower(record.Level.String()), Text: record.Message}
	if record.Level == slog.LevelWarn {
		message.Level = "warning"
	}
	m.each(record, func(key, value string) {
		if message.Details == nil {
			message.Details = make(map[string]string)
		}
		message.Details[key] = value
	})
	m.lock.Lock()
	defer m.lock.Unlock()
	return writeMessage(m.out, message)
}

// WithAttrs adds attributes to each record.
func (m *messages) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &messages{m.with(attrs), m.level}
}

// WithGroup keeps attributes as they are.
func (m *messages) WithGroup(string) slog.Handler { return m }

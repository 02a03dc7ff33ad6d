package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
)

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
	add := func(attr slog.Attr) bool {
		details = append(details, attr.Key+": "+attr.Value.String())
		return true
	}
	for _, attr := range w.attrs {
		add(attr)
	}
	record.Attrs(add)
	text := "warning: " + record.Message
	if len(details) > 0 {
		text += " (" + strings.Join(details, ", ") + ")"
	}
	w.lock.Lock()
	defer w.lock.Unlock()
	_, err := fmt.Fprintln(w.out, text)
	return err
}

// WithAttrs adds attributes to each record.
func (w *warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	more := *w
	more.attrs = append(append([]slog.Attr{}, w.attrs...), attrs...)
	return &more
}

// WithGroup keeps attributes as they are: people need no groups.
func (w *warnings) WithGroup(string) slog.Handler { return w }

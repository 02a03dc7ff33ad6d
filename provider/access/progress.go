package access

import (
	"bytes"
	"context"
	"time"

	"github.com/hashicorp/terraform-plugin-log/tflog"
)

// progressInterval is the least time between two lines of progress.
const progressInterval = 5 * time.Second

// Progress logs how far an upload is, every few seconds and at its end. The
// function is for one goroutine.
func Progress(ctx context.Context, what string) func(done, total int64) {
	var last time.Time
	return func(done, total int64) {
		if now := time.Now(); done == total || now.Sub(last) >= progressInterval {
			last = now
			tflog.Info(ctx, "upload", map[string]any{"what": what, "done": done, "total": total})
		}
	}
}

// Lines logs what a command prints, line by line.
type Lines struct {
	ctx  context.Context //nolint:containedctx // lives as long as one call
	what string
	rest []byte
}

// maxLine is how much of a line is logged at once.
const maxLine = 4 << 10

// NewLines logs with a context that masks secrets, for the time of one request.
func NewLines(ctx context.Context, what string) *Lines { return &Lines{ctx: ctx, what: what} }

// Write logs the lines that are complete.
func (l *Lines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for len(l.rest) > 0 {
		end := bytes.IndexByte(l.rest, '\n')
		if end < 0 && len(l.rest) < maxLine {
			break
		}
		if end < 0 || end > maxLine {
			end = maxLine - 1
		}
		if line := bytes.TrimSpace(l.rest[:end+1]); len(line) > 0 {
			tflog.Info(l.ctx, string(line), map[string]any{"what": l.what})
		}
		l.rest = l.rest[end+1:]
	}
	return len(p), nil
}

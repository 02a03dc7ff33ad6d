package expand

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/store"
)

// TestInsist waits for masters as long as other steps of a join do, and longer while
// packages arrive; it does not repeat what cannot succeed.
func TestInsist(t *testing.T) {
	away, final := &store.UnavailableError{Err: errors.New("nobody answers")}, errors.New("the disk is full")
	for name, test := range map[string]struct {
		// fetch is what comes of an attempt so long after the first.
		fetch func(after time.Duration, arrived func()) error
		fails string
		least time.Duration
		most  time.Duration
	}{
		"comes back": {func(after time.Duration, _ func()) error {
			if after < 2*time.Minute {
				return away
			}
			return nil
		}, "", 2 * time.Minute, 2*time.Minute + 10*time.Second},
		"stays away": {
			func(time.Duration, func()) error { return away },
			"no package has arrived for 3m", stepWithin, stepWithin + 10*time.Second,
		},
		"breaks again and again": {func(after time.Duration, arrived func()) error {
			if after < 10*time.Minute {
				arrived()
			}
			return away
		}, "nobody answers", 10*time.Minute + stepWithin - 10*time.Second, 10*time.Minute + stepWithin + 10*time.Second},
		"takes long": {func(time.Duration, func()) error {
			time.Sleep(stepWithin)
			return away
		}, "nobody answers", pullAttempts * stepWithin, (pullAttempts + 1) * stepWithin},
		"full": {func(time.Duration, func()) error { return final }, "the disk is full", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				err := insist(t.Context(), slog.New(slog.DiscardHandler), func(_ context.Context, arrived func()) error {
					return test.fetch(time.Since(began), arrived)
				})
				if (err == nil) != (test.fails == "") || err != nil && !strings.Contains(err.Error(), test.fails) {
					t.Errorf("%v, want %q", err, test.fails)
				}
				if took := time.Since(began); took < test.least || took > test.most {
					t.Errorf("it took %s, want %s to %s", took, test.least, test.most)
				}
			})
		})
	}
}

// TestInsistInterrupted ends when it is told to.
func TestInsistInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stopped := errors.New("stopped")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, stopped)
		defer cancel()
		err := insist(ctx, slog.New(slog.DiscardHandler), func(context.Context, func()) error {
			return &store.UnavailableError{Err: errors.New("nobody answers")}
		})
		if !errors.Is(err, stopped) {
			t.Error(err)
		}
	})
}

package lab

import (
	"context"
	"fmt"
	"time"
)

// poll asks until the answer is yes, an error, or the end of the context.
func poll(ctx context.Context, ask func() (bool, error), what string) error {
	for {
		if ok, err := ask(); err != nil || ok {
			return err
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
}

// pause is the time between two attempts.
func pause(ctx context.Context) error {
	timer := time.NewTimer(50 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// deadlineSoon leaves time for output that is on its way.
func deadlineSoon() time.Time { return time.Now().Add(200 * time.Millisecond) }

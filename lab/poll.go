package lab

import (
	"context"
	"fmt"
	"time"
)

// poll asks until the answer is yes, an error, or the end of the context.
func poll(ctx context.Context, ask func() (bool, error), what string) error {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		if ok, err := ask(); err != nil || ok {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, context.Cause(ctx))
		}
	}
}

// deadlineSoon leaves time for output that is on its way.
func deadlineSoon() time.Time { return time.Now().Add(200 * time.Millisecond) }

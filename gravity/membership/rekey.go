package membership

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"
)

// spreadTime is how long a new key may take to reach all members, before they use
// it and before the old one goes.
const spreadTime = 30 * time.Second

// Rekey takes another key in place of the one in use: since a node was removed,
// that must not listen any more. At first messages are only read with it, then sent
// with it, and at last those with other keys are refused; each node does that by
// itself when it learns of the key. It returns when all is done.
func (m *Membership) Rekey(ctx context.Context, key []byte) error {
	if len(key) != KeySize {
		return fmt.Errorf("membership: the key has %d bytes, want %d", len(key), KeySize)
	}
	ring := m.ring()
	if ring == nil {
		return errors.New("membership: it does not run")
	}
	if err := ring.AddKey(key); err != nil {
		return fmt.Errorf("membership: %w", err)
	}
	if err := pause(ctx, m.options.spread); err != nil {
		return err
	}
	if err := ring.UseKey(key); err != nil {
		return fmt.Errorf("membership: %w", err)
	}
	if err := pause(ctx, m.options.spread); err != nil {
		return err
	}
	for _, old := range ring.GetKeys() {
		if bytes.Equal(old, key) {
			continue
		}
		if err := ring.RemoveKey(old); err != nil {
			return fmt.Errorf("membership: %w", err)
		}
	}
	return nil
}

func pause(ctx context.Context, wait time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(wait):
		return nil
	}
}

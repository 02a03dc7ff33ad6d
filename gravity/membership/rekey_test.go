package membership

import (
	"crypto/rand"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// TestRekey lets members take another key, all but one, which they lose.
func TestRekey(t *testing.T) {
	if testing.Short() {
		t.Skip("waits until a failure is noticed; run without -short")
	}
	keys := [2][]byte{[]byte(rand.Text() + rand.Text())[:KeySize], []byte(rand.Text() + rand.Text())[:KeySize]}
	port := freePort(t)
	first, second, removed := run(t, port, 1, keys[0]), run(t, port, 2, keys[0]), run(t, port, 3, keys[0])
	for _, member := range []*running{first, second, removed} {
		until(t, member, "alive alive alive")
	}
	var group errgroup.Group
	for _, member := range []*running{first, second} {
		member.options.spread = 2 * time.Second
		group.Go(func() error { return member.Rekey(t.Context(), keys[1]) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	until(t, first, "alive alive failed")
	until(t, second, "alive alive failed")
	until(t, removed, "failed failed alive")
	// One that comes with the new key is seen, and one with the old is not.
	fourth := run(t, port, 4, keys[1])
	until(t, fourth, "alive alive alive")
	stranger := run(t, port, 5, keys[0])
	until(t, stranger, "alive")
	if err := first.Rekey(t.Context(), []byte("short")); err == nil {
		t.Error("a key that is too short was taken")
	}
}

package removal

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
)

// TestDrainFails goes on by force where the node cannot be drained, unless it is
// interrupted.
func TestDrainFails(t *testing.T) {
	a, _, p := newAPI(t)
	a.Refuse = []string{"PATCH nodes/node-2"}
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name   string
		ctx    context.Context
		force  bool
		failed bool
	}{
		{"without force", t.Context(), false, true},
		{"by force", t.Context(), true, false},
		{"interrupted", interrupted, true, true},
	} {
		d := &drain{&environment{paths: p, log: slog.New(slog.DiscardHandler), settings: settings{
			Node: operation.Server{Nodename: "node-2"}, Force: test.force,
		}}}
		if err := d.Execute(test.ctx); (err != nil) != test.failed {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// TestUntilLost waits for Kubernetes to know that a node is lost before a hook runs.
func TestUntilLost(t *testing.T) {
	a, client, p := newAPI(t)
	ready := func(status string) {
		a.Put("nodes/node-2", "Node", map[string]any{
			"status": map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": status}}},
		})
	}
	h := &preHook{hook{&environment{paths: p, log: slog.New(slog.DiscardHandler), settings: settings{
		Node: operation.Server{Nodename: "node-2"}, Silent: true,
	}}, "preNodeRemove"}}
	ready("True")
	ended := make(chan error, 1)
	go func() { ended <- h.untilLost(t.Context(), client) }()
	select {
	case err := <-ended:
		t.Fatalf("it does not wait for a node that reported a moment ago: %v", err)
	case <-time.After(time.Second):
	}
	ready("Unknown")
	if err := <-ended; err != nil {
		t.Error(err)
	}
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	ready("True")
	if err := h.untilLost(interrupted, client); err == nil {
		t.Error("it goes on after an interruption")
	}
}

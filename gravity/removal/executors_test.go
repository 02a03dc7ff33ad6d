package removal

import (
	"context"
	"log/slog"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
)

// TestDrainFails goes on by force where the node cannot be drained, unless it is
// interrupted.
func TestDrainFails(t *testing.T) {
	a, _, p := newAPI(t)
	a.refuse = []string{"PATCH nodes/node-2"}
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

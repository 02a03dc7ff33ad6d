package balancer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
)

// TestUpdate goes through rounds of checks, and wants a master's connections to be
// closed only for a reason and where clients have another one to go to.
func TestUpdate(t *testing.T) {
	ill, gone := errors.New("500"), fmt.Errorf("%w: refused", ErrGone)
	type round struct {
		// results are those of the master and of the others.
		results []error
		cut     bool
	}
	for _, test := range []struct {
		name   string
		rounds []round
	}{
		{"the only one is ill", []round{{[]error{ill}, false}, {[]error{ill}, false}, {[]error{ill}, false}}},
		{"the only one is gone", []round{{[]error{gone}, false}, {[]error{nil}, false}}},
		{"ill once", []round{{[]error{ill, nil}, false}, {[]error{nil, nil}, false}, {[]error{ill, nil}, false}}},
		{"ill twice", []round{{[]error{ill, nil}, false}, {[]error{ill, nil}, true}}},
		{"gone", []round{{[]error{gone, nil}, true}}},
		{"ill, then gone", []round{{[]error{ill, nil}, false}, {[]error{gone, nil}, true}}},
		{"no other serves", []round{{[]error{gone, ill, gone}, false}, {[]error{ill, ill, gone}, false}}},
		{"another one serves later", []round{{[]error{gone, ill}, false}, {[]error{gone, ill}, false}, {[]error{gone, nil}, true}}},
		{"it is the first to be back", []round{{[]error{gone, gone}, false}, {[]error{nil, gone}, false}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			b := &balancer{options: Options{Log: slog.New(slog.DiscardHandler)}}
			addresses := []string{"192.0.2.1:6443", "192.0.2.2:6443", "192.0.2.3:6443"}[:len(test.rounds[0].results)]
			b.update(ctx, addresses, make([]error, len(addresses)))
			connection := b.candidates()[0]
			for i, round := range test.rounds {
				b.update(ctx, addresses, round.results)
				if cut := connection.ctx.Err() != nil; cut != round.cut {
					t.Errorf("round %d: cut is %v, want %v", i+1, cut, round.cut)
				}
				first := b.candidates()[0].address == connection.address
				if alone := errors.Join(round.results[1:]...) != nil || len(addresses) == 1; first != (round.results[0] == nil || alone) {
					t.Errorf("round %d: that new connections go to it is %v", i+1, first)
				}
			}
		})
	}
}

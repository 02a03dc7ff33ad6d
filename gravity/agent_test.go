package main

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// TestServe ends an agent while one of its servers still has something to do in the
// cluster, and wants the balancer to serve until that is done.
func TestServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &agent{log: slog.New(slog.DiscardHandler)}
		began := time.Now()
		var balanced, served time.Duration
		balance := func(ctx context.Context) error {
			<-ctx.Done()
			balanced = time.Since(began)
			return nil
		}
		fails := 0
		others := map[string]server{
			"slow": func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(3 * time.Second) // the lease is given up
				served = time.Since(began)
				return nil
			},
			"broken": func(context.Context) error { fails++; return errors.New("broken") },
			"quick":  func(ctx context.Context) error { <-ctx.Done(); return nil },
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second+time.Millisecond)
		defer cancel()
		a.serve(ctx, balance, others)
		if ended := time.Since(began); served < 13*time.Second || balanced < served || ended != balanced {
			t.Errorf("the last server ended after %s, the balancer after %s, all after %s", served, balanced, ended)
		}
		if fails != 11 {
			t.Errorf("a server that fails was begun %d times, want once a second", fails)
		}
	})
}

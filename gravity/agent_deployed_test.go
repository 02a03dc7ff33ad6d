package main

import (
	"context"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// TestSettle wants the starts of a deployed agent to be counted until it has served
// for a while, or was told to end.
func TestSettle(t *testing.T) {
	for _, test := range []struct {
		name     string
		deployed bool
		// told is when the agent is told to end, look when the test looks.
		told, look time.Duration
		counted    bool
	}{
		{"it may still fail", true, time.Hour, settleTime - time.Second, true},
		{"it serves", true, time.Hour, settleTime + time.Second, false},
		{"told to end", true, time.Second, 2 * time.Second, false},
		{"the installed one", false, time.Hour, 2 * settleTime, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &agent{paths: paths.Paths{Root: t.TempDir()}, host: &agentHost{deployed: test.deployed}}
				if err := countStart(a.paths); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), test.told)
				defer cancel()
				ended := make(chan error, 1)
				go func() { ended <- a.settle(ctx) }()
				time.Sleep(test.look)
				synctest.Wait()
				if _, err := os.Stat(a.paths.DeployedStarts()); (err == nil) != test.counted {
					t.Errorf("it is counted: %v, want %v", err == nil, test.counted)
				}
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/bootstrap"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// TestWhileMember has a node be removed while a server serves, which ends then and
// is not started again.
func TestWhileMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &agent{paths: paths.Paths{Root: t.TempDir()}}
		var began int
		var cause error
		broken := errors.New("broken")
		serve := a.whileMember(func(ctx context.Context) error {
			if began++; began == 1 {
				return broken
			}
			<-ctx.Done()
			cause = context.Cause(ctx)
			return nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		if err := serve(ctx); !errors.Is(err, broken) {
			t.Errorf("a server that fails: %v", err)
		}
		ended := make(chan error)
		go func() { ended <- serve(ctx) }()
		synctest.Wait()
		if began != 2 || cause != nil {
			t.Errorf("a member: begun %d times, ended by %v", began, cause)
		}
		dismissal := node.Dismissal{Time: time.Now(), Reason: "removed"}
		if err := dismissal.Write(a.paths); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if began != 2 || !errors.Is(cause, bootstrap.ErrRemoved) {
			t.Errorf("a removed one: begun %d times, ended by %v", began, cause)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		again, stop := context.WithCancel(t.Context())
		go func() { ended <- serve(again) }()
		synctest.Wait()
		if began != 2 {
			t.Error("it serves though the node was removed")
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

package thread_test

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/thread"
)

func TestRunNeverUsesTheMainThread(t *testing.T) {
	// Enough at once that the main thread is asked to take part.
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			err := thread.Run(func() error {
				if unix.Gettid() == unix.Getpid() {
					t.Error("the function runs on the main thread")
				}
				runtime.Gosched()
				return os.ErrInvalid
			})
			if !errors.Is(err, os.ErrInvalid) {
				t.Errorf("err = %v", err)
			}
		})
	}
	group.Wait()
}

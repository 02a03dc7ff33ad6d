package recovery_test

import (
	"context"
	"sync"
	"time"
)

// power takes the power of all machines away at once; they start one after the
// other, in any order. Then one machine reboots.
func (s *site) power(ctx context.Context) {
	var dying sync.WaitGroup
	for _, machine := range s.machines[:4] {
		dying.Go(func() {
			if err := machine.Kill(ctx); err != nil {
				s.Error(err)
			}
		})
	}
	dying.Wait()
	order := s.random.Perm(4)
	s.Logf("the power comes back in the order %v", order)
	began := time.Now()
	for _, i := range order {
		s.do(ctx, s.machines[i].Start)
		pause := time.Duration(s.random.Int64N(int64(10 * time.Second)))
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	started := time.Now()
	s.well(ctx, 1)
	s.Logf("%5.1f s until all is well after a loss of all power, %.1f s after the last machine", time.Since(began).Seconds(), time.Since(started).Seconds())
	s.complete(ctx, "after a loss of all power")
	rebooted := 1 + s.random.IntN(4)
	began = time.Now()
	s.must(ctx, rebooted, "systemctl --no-block reboot")
	witness := 1 + rebooted%3
	s.until(ctx, witness, "! gravity status >/dev/null 2>&1")
	s.do(ctx, s.machines[rebooted-1].WaitReady)
	s.well(ctx, witness)
	s.Logf("%5.1f s until all is well after a reboot of node-%d", time.Since(began).Seconds(), rebooted)
	s.complete(ctx, "after a reboot")
}

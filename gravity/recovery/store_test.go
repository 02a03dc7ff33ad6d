package recovery_test

import (
	"context"
	"time"
)

// packageStore damages a blob on the disk of a master: its probe tells so, and it is
// repaired as soon as another master can be asked for it.
func (s *site) packageStore(ctx context.Context) {
	const (
		lost     = 2
		registry = "gravity exec systemctl %s registry"
		blob     = "$(find /var/lib/gravity/registry -name data -size +100k | sort | head -n 1)"
		sum      = "sha256sum <" + blob + " | awk '{print $1}'"
		whole    = "test $(" + sum + ") = $(basename $(dirname " + blob + "))"
	)
	s.must(ctx, lost, whole)
	for _, n := range []int{1, 3} {
		s.must(ctx, n, "gravity exec systemctl stop registry")
	}
	began := time.Now()
	s.must(ctx, lost, "printf damage | dd of="+blob+" bs=1 seek=5000 conv=notrunc status=none && ! { "+whole+"; }")
	s.until(ctx, lost, "curl -sk https://localhost:7575/local?checker=package-store | grep -q '\"status\":\"failed\"'")
	s.Logf("%5.1f s until the probe tells of a damaged blob", time.Since(began).Seconds())
	s.must(ctx, lost, "gravity status 2>&1 | grep -q package-store")
	began = time.Now()
	for _, n := range []int{1, 3} {
		s.must(ctx, n, "gravity exec systemctl start registry")
	}
	s.until(ctx, lost, whole)
	s.Logf("%5.1f s until it is repaired", time.Since(began).Seconds())
	s.until(ctx, lost, "curl -sk https://localhost:7575/local?checker=package-store | grep -q 'some were repaired at'")
	s.well(ctx, 1)
}

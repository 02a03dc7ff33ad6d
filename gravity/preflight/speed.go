package preflight

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
)

// maxLatency is what etcd's documentation gives for the 99th percentile of
// syncing its log (wal_fsync_duration_seconds). It names no figure at which etcd
// would fail, and slower disks do run, so more is a warning at any rate.
const maxLatency = 10 * time.Millisecond

// etcd's writes are small: its documentation measures disks with 2300 bytes.
const (
	latencyBlock  = 2300
	latencyWrites = 500
	latencyTime   = 3 * time.Second
)

func (o *Options) checkLatency(ctx context.Context) (finding, error) {
	dir, err := o.Machine.existing(o.StateDir)
	if err != nil {
		return finding{}, err
	}
	times, err := syncTimes(ctx, o.Machine.path(dir))
	if err != nil {
		return finding{}, err
	}
	if len(times) == 0 {
		return finding{}, errors.New("not one write was complete in time")
	}
	got := percentile(times, 99)
	return passed("99%% of %d syncs took up to %s", len(times), got.Round(10*time.Microsecond)).
		want("up to %s, which etcd recommends", maxLatency).
		unless(got <= maxLatency, "use a faster disk, such as an SSD, for %s", o.StateDir), nil
}

// syncTimes appends to a file and syncs it, again and again, and returns how
// long each took.
func syncTimes(ctx context.Context, dir string) (times []time.Duration, err error) {
	file, err := nameless(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	block := make([]byte, latencyBlock)
	for begin := time.Now(); len(times) < latencyWrites && time.Since(begin) < latencyTime; {
		if ctx.Err() != nil {
			return times, context.Cause(ctx)
		}
		start := time.Now()
		if _, err := file.Write(block); err != nil {
			return times, err
		}
		if err := unix.Fdatasync(int(file.Fd())); err != nil {
			return times, &os.PathError{Op: "sync", Path: file.Name(), Err: err}
		}
		times = append(times, time.Since(start))
	}
	return times, nil
}

// percentile is the smallest value that a part of all are not above, in
// percent.
func percentile(times []time.Duration, part int) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[max(0, (len(sorted)*part+99)/100-1)]
}

// How a disk's speed is measured: blocks are written past the cache of the
// kernel, for some time or up to some size, and no more than a tenth of what is
// available.
const (
	speedBlock = 1 << 20
	speedBytes = 256 << 20
	speedTime  = 5 * time.Second
	speedLimit = 5 * time.Minute // of the check, for all volumes together
)

// speed returns how many bytes a second a file system takes, and how many
// bytes were written to find out.
func (m *Machine) speed(ctx context.Context, dir string) (rate manifest.TransferRate, written int64, err error) {
	dir = m.path(dir)
	state, err := m.Statfs(dir)
	if err != nil {
		return 0, 0, err
	}
	limit := int64(min(state.Available/10, speedBytes)) //nolint:gosec // speedBytes at most
	if limit < speedBlock {
		return 0, 0, fmt.Errorf("%s has only %s available", dir, size(state.Available))
	}
	file, err := nameless(dir)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	// Without the direct way, the sync at the end is what makes it honest.
	_, _ = unix.FcntlInt(file.Fd(), unix.F_SETFL, unix.O_DIRECT)
	block, err := unix.Mmap(-1, 0, speedBlock, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return 0, 0, fmt.Errorf("get memory: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Munmap(block)) }()
	fill(block)
	begin := time.Now()
	for written+speedBlock <= limit && time.Since(begin) < speedTime {
		if ctx.Err() != nil {
			return 0, written, context.Cause(ctx)
		}
		n, err := file.Write(block)
		written += int64(n)
		if err != nil {
			return 0, written, err
		}
	}
	if err := file.Sync(); err != nil {
		return 0, written, err
	}
	return manifest.TransferRate(float64(written) / time.Since(begin).Seconds()), written, nil
}

// fill writes what neither compresses nor repeats, for disks that would make
// less of it.
func fill(block []byte) {
	state := uint64(time.Now().UnixNano()) | 1 //nolint:gosec // any number will do
	for i := range block {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		block[i] = byte(state)
	}
}

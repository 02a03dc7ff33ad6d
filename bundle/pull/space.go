package pull

import (
	"context"
	"fmt"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/disk"
)

// patience is how long blobs wait for the manifests of other images, so that
// what is missing is known as a whole. A registry that answers no more should
// not keep others from being asked.
const patience = 5 * time.Second

// space compares what one call of Pull will write with what was free before.
type space struct {
	folder string
	free   int64
	// cancel ends the call when there is not enough.
	cancel context.CancelCauseFunc
	// known is closed when the manifests of all images are known but of those
	// that take long.
	known chan struct{}

	lock    sync.Mutex
	waiting int
	// wanted are the blobs that were counted.
	wanted map[v1.Hash]bool
	needed int64
}

func newSpace(folder string, requests []Request, cancel context.CancelCauseFunc) (*space, error) {
	free, err := disk.Free(folder)
	if err != nil {
		return nil, err
	}
	s := &space{folder: folder, free: free, cancel: cancel, known: make(chan struct{}), wanted: map[v1.Hash]bool{}}
	for _, request := range requests {
		if !slow(request) {
			s.waiting++
		}
	}
	if s.waiting == 0 {
		close(s.known)
	}
	return s, nil
}

// slow tells whether the manifests of an image are only known when its layers
// were read.
func slow(request Request) bool {
	switch request.From.(type) {
	case Archive, Daemon:
		return true
	}
	return false
}

// expect returns what is called, once or more, when the manifests of an image
// are known, or will never be.
func (s *space) expect(request Request) func() {
	if slow(request) {
		return func() {}
	}
	return sync.OnceFunc(func() {
		s.lock.Lock()
		defer s.lock.Unlock()
		if s.waiting--; s.waiting == 0 {
			close(s.known)
		}
	})
}

// reserve counts a blob of which some bytes are there.
func (s *space) reserve(blob v1.Descriptor, there int64) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if !s.wanted[blob.Digest] {
		s.wanted[blob.Digest] = true
		s.needed += max(0, blob.Size-there)
	}
}

// wait waits until all is known that is missing, though not for long, and fails
// if it is too much.
func (s *space) wait(ctx context.Context) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.known:
	case <-timer.C:
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	err := enough(s.folder, s.needed, s.free)
	if err != nil {
		s.cancel(err)
	}
	return err
}

// enough fails if more bytes are needed than free.
func enough(folder string, needed, free int64) error {
	if needed <= free {
		return nil
	}
	return cli.WithHint(
		fmt.Errorf("the images need %s in the cache %s, which has %s free", megabytes(needed), folder, megabytes(free)),
		"free %s, or use a cache elsewhere", megabytes(needed-free))
}

func megabytes(size int64) string {
	return fmt.Sprintf("%.1f MB", float64(size)/1e6)
}

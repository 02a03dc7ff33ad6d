package bundle_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
)

// generated is a source that has one large blob beside others, made up while it
// is read.
type generated struct {
	bundle.BlobSource
	digest v1.Hash
	size   int64
}

func (g generated) Open(ctx context.Context, digest v1.Hash) (io.ReadCloser, error) {
	if digest == g.digest {
		return io.NopCloser(g.content()), nil
	}
	return g.BlobSource.Open(ctx, digest)
}

func (g generated) content() io.Reader {
	return io.LimitReader(rand.NewChaCha8([32]byte{9}), g.size)
}

// TestMemoryIsBounded writes, verifies and copies a bundle with a layer of
// 300 MB and looks at the heap all the while.
func TestMemoryIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("hashes a gigabyte")
	}
	contents := complete()
	large := generated{BlobSource: contents.Source, size: 300 << 20}
	hasher := sha256.New()
	if _, err := io.Copy(hasher, large.content()); err != nil {
		t.Fatal(err)
	}
	large.digest = v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(hasher.Sum(nil))}
	contents.Source = large
	contents.Resources = &v1.Descriptor{MediaType: types.OCILayer, Digest: large.digest, Size: large.size}

	peak := watchHeap(t)
	path := write(t, contents)
	if err := verify(t, path); err != nil {
		t.Error(err)
	}
	contents.Source = bundle.Sources{open(t, path), contents.Source}
	copied := write(t, contents)
	if info, err := os.Stat(copied); err != nil || info.Size() < large.size {
		t.Errorf("%v, error %v", info, err)
	}
	if used := peak(); used > 32<<20 {
		t.Errorf("used %d MB of memory", used>>20)
	} else {
		t.Logf("used %d MB of memory", used>>20)
	}
}

// watchHeap returns a function that tells how much the heap grew since.
func watchHeap(t *testing.T) func() uint64 {
	t.Helper()
	heap := func() uint64 {
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	runtime.GC()
	before := heap()
	var peak atomic.Uint64
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			peak.Store(max(peak.Load(), heap()))
			select {
			case <-done:
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	return func() uint64 {
		close(done)
		<-ended
		return peak.Load() - min(before, peak.Load())
	}
}

func TestProgressReachesItsTotal(t *testing.T) {
	contents := complete()
	var last bundle.Progress
	var calls int
	options := bundle.Options{Progress: func(progress bundle.Progress) {
		if progress.Done < last.Done || progress.Entry == "" {
			t.Errorf("%+v follows %+v", progress, last)
		}
		last = progress
		calls++
	}}
	path := filepath.Join(t.TempDir(), "shop.tar")
	if _, err := bundle.Write(t.Context(), path, contents, options); err != nil {
		t.Fatal(err)
	}
	if calls == 0 || last.Done != last.Total {
		t.Errorf("write ended with %+v after %d calls", last, calls)
	}
	last = bundle.Progress{}
	if _, err := open(t, path).Verify(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	if last.Done != last.Total || last.Total == 0 {
		t.Errorf("verify ended with %+v", last)
	}
}

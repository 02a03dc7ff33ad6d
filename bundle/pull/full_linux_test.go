package pull_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/pull"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// smallDisk mounts a file system of a megabyte.
func smallDisk(t *testing.T) string {
	t.Helper()
	if testing.Short() || os.Getuid() != 0 {
		t.Skip("mounts a file system, as root")
	}
	folder := t.TempDir()
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("mount: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(folder, syscall.MNT_DETACH) })
	return folder
}

// TestFullDisk has a disk that fills up meanwhile.
func TestFullDisk(t *testing.T) {
	folder := smallDisk(t)
	s := serve(t)
	reference := s.push(t, "large:1", image(t, 600_000, 1))
	s.answer(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/blobs/") {
			_ = os.WriteFile(filepath.Join(folder, "other"), make([]byte, 700_000), 0o600)
		}
		return false
	})
	err := failure(t, folder, reference)
	if !strings.Contains(err.Error(), "the disk of the cache is full") || len(cli.Hints(err)) != 1 {
		t.Errorf("error %v, hints %q", err, cli.Hints(err))
	}
}

// TestSpaceIsCheckedFirst has images that do not fit together. One that is in
// several images, and what was there, counts once.
func TestSpaceIsCheckedFirst(t *testing.T) {
	folder := smallDisk(t)
	s := serve(t)
	base := image(t, 400_000, 1)
	a, b := s.push(t, "a:1", derive(t, base, image(t, 100, 1))), s.push(t, "b:1", derive(t, base, image(t, 100, 1)))
	large := s.push(t, "large:1", image(t, 700_000, 1))
	cache := cacheOf(t, folder)
	t.Cleanup(func() { _ = cache.Close() })
	s.answer(nil)
	_, err := cache.Pull(t.Context(), requests(a, large, b), pull.Options{Retry: fast})
	if err == nil || !strings.Contains(err.Error(), "the images need 1.1 MB in the cache "+folder+", which has 1.0 MB free") || len(cli.Hints(err)) != 1 {
		t.Errorf("error %v, hints %q", err, cli.Hints(err))
	}
	if failed, ok := errors.AsType[*pull.Error](err); ok {
		t.Errorf("the error is about %s", failed.Reference)
	}
	if n := len(s.requests("/blobs/")); n != 0 {
		t.Errorf("%d blobs were fetched", n)
	}
	mustPull(t, cache, pull.Options{}, a, b)
	mustPull(t, cache, pull.Options{}, a, b) // needs nothing
}

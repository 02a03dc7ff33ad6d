package pull_test

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

func TestFullDisk(t *testing.T) {
	if testing.Short() || os.Getuid() != 0 {
		t.Skip("mounts a file system, as root")
	}
	folder := t.TempDir()
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("mount: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(folder, 0) })
	s := serve(t)
	reference := s.push(t, "large:1", image(t, 2<<20, 1))
	err := failure(t, folder, reference)
	if !strings.Contains(err.Error(), "the disk of the cache is full") || len(cli.Hints(err)) != 1 {
		t.Errorf("error %v, hints %q", err, cli.Hints(err))
	}
}

package node

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// TestUploadCut: the link dies without a word, so that sshd and the upload on the
// machine wait for ever; the next attempt ends them and goes on.
func TestUploadCut(t *testing.T) {
	one, config := machine(t, "one")
	config.User = "admin"
	_, node := reach(t, config)
	const size = 64 << 20
	path, _ := randomFile(t, size)
	var seen progress
	cut := false
	remote, err := node.Upload(t.Context(), Upload{Path: path, Digest: digest, Progress: func(done, total int64) {
		seen.note(done, total)
		if done > size/2 && !cut {
			cut = true
			if err := one.Cut(t.Context()); err != nil {
				t.Error(err)
			}
			go func() {
				_ = wait(t.Context(), 4*node.firstPause+3e9)
				_ = one.Heal(context.WithoutCancel(t.Context()))
			}()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if len(seen.first) < 2 || slices.Contains(seen.first[1:], 0) {
		t.Errorf("it began at %d", seen.first)
	}
	want := sh(t, one, "sha256sum "+remote+" | cut -d ' ' -f 1")
	if got := localDigest(t, path); got != want {
		t.Errorf("what arrived has digest %s instead of %s", want, got)
	}
	if left := sh(t, one, "pgrep -fc '^head -c' || :"); left != "0" {
		t.Errorf("%s processes are left", left)
	}
	if err := node.RemoveUpload(t.Context(), digest); err != nil {
		t.Error(err)
	}
}

func TestUploadWithoutSpace(t *testing.T) {
	one, config := machine(t, "one")
	_, node := reach(t, config)
	sh(t, one, "mkdir -p /small; mount -t tmpfs -o size=8m none /small")
	t.Cleanup(func() { sh(t, one, "umount /small") })
	node.stateDir = "/small"
	path, _ := randomFile(t, 16<<20)
	_, err := node.Upload(t.Context(), Upload{Path: path, Digest: digest})
	space, ok := errors.AsType[*SpaceError](err)
	if !ok || space.Needed != 16<<20 || space.Free > 8<<20 || len(cli.Hints(err)) == 0 {
		t.Errorf("a file that does not fit: %v", err)
	}

	// The disk becomes full on the way: what was sent must not keep it so.
	path, _ = randomFile(t, 7<<20)
	fill := Upload{Path: path, Digest: digest, Progress: func(done, _ int64) {
		if done == 0 {
			sh(t, one, "head -c 6M /dev/zero >/small/other")
		}
	}}
	_, err = node.Upload(t.Context(), fill)
	if err == nil || !strings.Contains(err.Error(), "the disk became full") || len(cli.Hints(err)) == 0 {
		t.Errorf("a disk that becomes full: %v", err)
	}
	if used := sh(t, one, "ls /small/uploads/0123"); strings.Contains(used, "partial") {
		t.Errorf("on the full disk is %s", used)
	}

	sh(t, one, "mount -o remount,ro /small")
	_, err = node.Upload(t.Context(), Upload{Path: path, Digest: "sha256:4567"})
	if err == nil || !strings.Contains(strings.Join(cli.Hints(err), ""), "read-only") {
		t.Errorf("a file system that is read-only: %v, %q", err, cli.Hints(err))
	}
}

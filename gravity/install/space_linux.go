package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/preflight"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// spacious is an executor whose errors say more where a file system is full.
type spacious struct {
	operation.Executor
	*environment
}

// Execute executes the phase.
func (s spacious) Execute(ctx context.Context) error {
	err := s.Executor.Execute(ctx)
	if !isFull(err) {
		return err
	}
	var size int64
	if b, problem := s.open(); problem == nil {
		size = b.Size()
	}
	return ExplainSpace(err, s.paths.Root, size)
}

// fullHint is in the hint that ExplainSpace gives.
const fullHint = "free space on the file system of "

// ExplainSpace adds to an error that a file system is full which one it is, and
// how much an installation needs there. The folder is where that is if the error
// does not say; the size is the bundle's, or 0.
func ExplainSpace(err error, folder string, size int64) error {
	if !isFull(err) || strings.Contains(strings.Join(cli.Hints(err), " "), fullHint) {
		return err
	}
	if failed, ok := errors.AsType[*fs.PathError](err); ok && filepath.IsAbs(failed.Path) {
		folder = filepath.Dir(failed.Path)
	}
	hint := fullHint + folder
	var state unix.Statfs_t
	if existing := existingFolder(folder); unix.Statfs(existing, &state) == nil {
		hint += fmt.Sprintf(": %s of %s are left", megabytes(state.Bavail*uint64(state.Bsize)), megabytes(state.Blocks*uint64(state.Bsize)))
		if size > 0 {
			needed := preflight.Space{Bundle: size}.Needed(state.Blocks * uint64(state.Bsize))
			hint += fmt.Sprintf(", and an installation of this bundle needs %s in all where the state folder is", megabytes(needed))
		}
	}
	return cli.WithHint(err, "%s", hint)
}

// existingFolder is a folder, or the nearest above it that is there.
func existingFolder(folder string) string {
	for !exists(folder) && folder != filepath.Dir(folder) {
		folder = filepath.Dir(folder)
	}
	return folder
}

// isFull tells whether an error is that a file system is full. Of programs there
// is only what they print.
func isFull(err error) bool {
	if err == nil {
		return false
	}
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) ||
		strings.Contains(err.Error(), syscall.ENOSPC.Error()) || strings.Contains(err.Error(), syscall.EDQUOT.Error())
}

func megabytes(bytes uint64) string { return fmt.Sprintf("%d MB", bytes/1e6) }

package recipe

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// buildRoot is a root file system with the locked compiler and compressor.
// Several commands may run in it at once: it is only read, and each command
// has mounts of its own.
type buildRoot struct {
	folder string
}

// bind makes a folder of the host visible below /gravity.
type bind struct {
	host   string
	inside string
}

// insideFolders are the mount points below /gravity.
var insideFolders = []string{"go", "modules", "source", "cache", "out"}

// insideCommand is a command to run in the build root.
type insideCommand struct {
	folder string
	args   []string
	env    []string // all of its environment
	binds  []bind
	stdin  io.Reader
	stdout io.Writer // nil discards the output
}

// insideScript binds the folders it is given and becomes the command. Its
// arguments are: root, number of binds, the binds as pairs, the command.
const insideScript = `set -eu
root=$1; count=$2; shift 2
mount --bind /dev/null "$root/dev/null"
mount -t proc proc "$root/proc"
while [ "$count" -gt 0 ]; do
  mount --bind "$1" "$root/gravity/$2"; shift 2; count=$((count-1))
done
exec chroot "$root" /usr/bin/env -i "$@"`

// run runs a command in a mount namespace of its own, so that nothing is left
// mounted however it ends. Somebody who is not root gets a user namespace.
func (r buildRoot) run(ctx context.Context, c insideCommand) error {
	args := append(asRoot(), "--mount", "--propagation", "private", "--kill-child", "--fork", "--pid", "sh", "-c", insideScript, "inside", r.folder, fmt.Sprint(len(c.binds)))
	for _, b := range c.binds {
		args = append(args, b.host, b.inside)
	}
	args = append(args, "--chdir="+c.folder)
	args = append(args, c.env...)
	args = append(args, c.args...)
	command := exec.CommandContext(ctx, "unshare", args...)
	command.SysProcAttr = endWithParent()
	var stderr bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = c.stdin, c.stdout, &stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s: %w%s", strings.Join(c.args, " "), err, lastLines(stderr.String()))
	}
	return nil
}

// buildRoot returns the build root, installing it from the locked packages the
// first time.
func (b *builder) buildRoot(ctx context.Context) (buildRoot, error) {
	packages, err := b.lockedSet("build")
	if err != nil {
		return buildRoot{}, err
	}
	key := keyOf(packages, codeOf("buildroot.go", "packages.go"))
	var archive string
	prepare := func(ctx context.Context) (err error) {
		archive, err = b.install(ctx, "build", packages)
		return err
	}
	folder, err := b.steps.do(ctx, "build root", key, work{packLane, prepare, func(_ context.Context, folder string) error {
		root := filepath.Join(folder, "root")
		if err := extractTar(archive, root); err != nil {
			return err
		}
		for _, name := range insideFolders {
			if err := os.MkdirAll(filepath.Join(root, "gravity", name), 0o755); err != nil {
				return err
			}
		}
		for _, name := range []string{"dev", "proc"} {
			if err := os.MkdirAll(filepath.Join(root, name), 0o755); err != nil {
				return err
			}
		}
		if err := os.MkdirAll(filepath.Join(root, "tmp"), 0o777); err != nil { // the usual /tmp
			return err
		}
		return os.WriteFile(filepath.Join(root, "dev", "null"), nil, 0o644) // a place to mount on
	}})
	return buildRoot{folder: filepath.Join(folder, "root")}, err
}

package rootfs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/debian"
)

// Ensure returns the directory of the root file system, which it builds if the
// cache does not have it. Any number of processes may call it at once: one
// builds, the others wait. A build that is killed leaves only what the next
// one removes.
func Ensure(ctx context.Context, cache string, recipe Recipe, progress func(string)) (string, error) {
	key, err := recipe.Key()
	if err != nil {
		return "", err
	}
	directory := filepath.Join(cache, "root-"+key)
	if exists(directory) {
		return directory, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("make the cache of root file systems: %w", err)
	}
	unlock, err := lock(ctx, directory+".lock", progress)
	if err != nil {
		return "", err
	}
	defer unlock()
	if exists(directory) {
		return directory, nil
	}
	temporary := directory + ".tmp"
	if err := os.RemoveAll(temporary); err != nil {
		return "", fmt.Errorf("remove an unfinished root file system: %w", err)
	}
	built := filepath.Join(temporary, "root")
	err = build(ctx, built, recipe, progress)
	if err == nil {
		err = os.Rename(built, directory)
	}
	if err = errors.Join(err, os.RemoveAll(temporary)); err != nil {
		return "", fmt.Errorf("build the root file system of machines: %w", err)
	}
	return directory, nil
}

func exists(directory string) bool {
	_, err := os.Stat(directory)
	return err == nil
}

func lock(ctx context.Context, path string, progress func(string)) (func(), error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the cache of root file systems: %w", err)
	}
	for waiting := false; ; waiting = true {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			_ = file.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if !waiting {
			progress("waiting for another process that builds the root file system")
		}
		select {
		case <-ctx.Done():
			_ = file.Close()
			return nil, context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func build(ctx context.Context, directory string, recipe Recipe, progress func(string)) error {
	mirrors, err := debian.FindMirrors(ctx)
	if err != nil {
		return err
	}
	progress("building the root file system of machines, once for this host (about a minute)")
	if err := bootstrap(ctx, directory, recipe, mirrors, progress); err != nil {
		return err
	}
	for _, file := range recipe.Files {
		if err := file.write(directory); err != nil {
			return err
		}
	}
	root, err := os.Open(directory)
	if err != nil {
		return err
	}
	defer root.Close()
	// What the rename makes valid must be on the disk before.
	if err := unix.Syncfs(int(root.Fd())); err != nil {
		return fmt.Errorf("sync the root file system of machines: %w", err)
	}
	return nil
}

func bootstrap(ctx context.Context, directory string, recipe Recipe, mirrors debian.Mirrors, progress func(string)) error {
	arguments := []string{
		"--mode=root", "--format=directory", "--variant=minbase",
		"--include=" + strings.Join(recipe.Packages, ","),
	}
	for _, pattern := range recipe.Excludes {
		arguments = append(arguments, "--dpkgopt=path-exclude="+pattern)
	}
	for _, hook := range recipe.Hooks {
		arguments = append(arguments, "--customize-hook="+hook)
	}
	arguments = append(arguments, recipe.Suite, directory)
	command := exec.CommandContext(ctx, "mmdebstrap", append(arguments, mirrors.SourceLines()...)...)
	// Its temporary files are beside the result, to be removed with it.
	temporary := filepath.Join(filepath.Dir(directory), "tmp")
	if err := os.MkdirAll(temporary, 0o700); err != nil {
		return err
	}
	command.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", "TMPDIR="+temporary)
	if os.Geteuid() == 0 {
		// In namespaces of its own, so that killing it kills apt and dpkg at
		// once and takes its mounts away.
		command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS}
	}
	command.WaitDelay = 10 * time.Second
	output, input := io.Pipe()
	command.Stdout, command.Stderr = input, input
	var tail []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		tail = follow(output, progress)
	}()
	err := command.Run()
	_ = input.Close()
	<-done
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return cli.WithHint(fmt.Errorf("mmdebstrap of %s: %w: %s", recipe.Suite, err, strings.Join(tail, "; ")),
			"check that 'apt-get update' works on this host; %s sets another mirror", debian.MirrorVariable)
	}
	return nil
}

// follow passes on what mmdebstrap says about its steps and returns the last
// lines for an error message.
func follow(output io.Reader, progress func(string)) []string {
	const kept = 5
	var tail []string
	scanner := bufio.NewScanner(output)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		line := strings.TrimSpace(scanner.Text())
		if line == "" {
			continue
		}
		if step, ok := strings.CutPrefix(line, "I: "); ok && !strings.HasPrefix(step, "running --") {
			progress("  " + step)
		}
		tail = append(tail[max(0, len(tail)-kept+1):], line)
	}
	_, _ = io.Copy(io.Discard, output)
	return tail
}

func (f File) write(root string) error {
	path := filepath.Join(root, f.Path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if f.Link != "" {
		return os.Symlink(f.Link, path)
	}
	if err := os.WriteFile(path, []byte(f.Content), 0o600); err != nil {
		return err
	}
	return os.Chmod(path, fs.FileMode(f.Mode))
}

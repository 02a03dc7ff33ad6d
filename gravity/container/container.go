// Package container is the master container: the root file system of a runtime
// with systemd as PID 1, run by runc, in which all of Kubernetes runs (S66).
// The host needs systemd and nothing else, and keeps nothing but a unit:
// stopping the container stops everything.
//
// The root file system comes from the package store and is never changed by
// hand: what differs from node to node is written into it by Prepare, each time
// the container starts. What must outlive it lies below the state folder and is
// bound into it.
package container

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// Name is the container's, and that of its unit and cgroup.
const Name = "gravity-master"

// Unit is the container's unit on the host.
const Unit = Name + ".service"

// Container is the master container of this host.
type Container struct {
	paths paths.Paths
}

// New returns the master container below a state folder.
func New(p paths.Paths) *Container { return &Container{paths: p} }

// Command is a program to run inside the container.
type Command struct {
	// Args are the program and its arguments.
	Args []string
	// Stdin is what it reads; nil means nothing.
	Stdin io.Reader
	// Stdout and Stderr receive the output; nil means that it is only in the
	// result and in errors.
	Stdout, Stderr io.Writer
}

// CommandError is the error of a program that failed inside the container.
type CommandError struct {
	// Args are the program and its arguments.
	Args []string
	// ExitCode is the program's, -1 if it did not run or was killed.
	ExitCode int
	// Tail has the last lines of what it wrote to standard error, or else to
	// standard output.
	Tail string
	// Err is the cause.
	Err error
}

// Error names the command and the end of its output.
func (e *CommandError) Error() string {
	text := fmt.Sprintf("%s: %v", strings.Join(e.Args, " "), e.Err)
	if e.Tail != "" {
		text += ": " + e.Tail
	}
	return text
}

// Unwrap returns the cause.
func (e *CommandError) Unwrap() error { return e.Err }

// endDelay is how long a program may take to end after SIGTERM.
const endDelay = 5 * time.Second

// Exec runs a program inside the container and returns its standard output. The
// error of a program that fails is a *CommandError. When the context ends, the
// program gets SIGTERM, and Exec returns when it has ended, or a few seconds
// later without it: a program that does not listen goes on. So does what it left
// to others in the container, such as a unit of systemd.
func (c *Container) Exec(ctx context.Context, command Command) (string, error) {
	var stdout, stderr tail
	process := exec.CommandContext(ctx, c.paths.Tool("runc"), c.arguments(false, command.Args)...)
	process.Stdin = command.Stdin
	process.Stdout, process.Stderr = writers(command.Stdout, &stdout), writers(command.Stderr, &stderr)
	process.Cancel = func() error { return process.Process.Signal(syscall.SIGTERM) } // runc hands it on
	process.WaitDelay = endDelay
	err := process.Run()
	if err == nil {
		return stdout.String(), nil
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("%w (%w)", context.Cause(ctx), err)
	}
	failed := &CommandError{Args: command.Args, ExitCode: -1, Tail: stderr.lastLines(), Err: err}
	if failed.Tail == "" {
		failed.Tail = stdout.lastLines()
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		failed.ExitCode = exit.ExitCode()
	}
	return stdout.String(), failed
}

// Become replaces this process by a program inside the container, with a
// terminal if tty says so: its exit code is this process's. It returns only if
// that is not possible, with Find's errors if there is no such program.
func (c *Container) Become(tty bool, args ...string) error {
	runc := c.paths.Tool("runc")
	if err := c.Find(args[0]); err != nil {
		return err
	}
	err := become(runc, append([]string{runc}, c.arguments(tty, args)...), os.Environ())
	return fmt.Errorf("run %s in the master container: %w", args[0], err)
}

func (c *Container) arguments(tty bool, args []string) []string {
	arguments := []string{"--root", paths.RuncRoot, "exec", "--cwd", "/"}
	if tty {
		arguments = append(arguments, "--tty")
		if term := os.Getenv("TERM"); term != "" {
			arguments = append(arguments, "--env", "TERM="+term)
		}
	}
	return append(append(arguments, Name), args...)
}

// Running tells whether runc knows the container as running.
func (c *Container) Running() bool {
	output, err := exec.Command(c.paths.Tool("runc"), "--root", paths.RuncRoot, "state", Name).Output()
	return err == nil && bytes.Contains(output, []byte(`"status": "running"`))
}

// Life tells one life of the container from another: it changes when the container
// starts, and is empty while there is none.
func (c *Container) Life() string {
	info, err := os.Stat(filepath.Join(paths.RuncRoot, Name, "state.json"))
	if err != nil {
		return ""
	}
	return info.ModTime().Format(time.RFC3339Nano)
}

// tail keeps what a program wrote, up to a limit.
type tail struct{ bytes.Buffer }

// maxOutput is how much of a program's output is kept, in bytes.
const maxOutput = 16 << 20

func (t *tail) Write(p []byte) (int, error) {
	if room := maxOutput - t.Len(); room > 0 {
		t.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func (t *tail) lastLines() string {
	lines := strings.Split(strings.TrimSpace(t.String()), "\n")
	return strings.Join(lines[max(0, len(lines)-8):], "; ")
}

func writers(wanted io.Writer, kept io.Writer) io.Writer {
	if wanted == nil {
		return kept
	}
	return io.MultiWriter(wanted, kept)
}

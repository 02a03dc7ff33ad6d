package preflight

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
)

const (
	// customLimit is the time that a script of a profile has.
	customLimit = 2 * time.Minute
	// tailBytes and tailLines bound what is kept of a script's output.
	tailBytes = 4 << 10
	tailLines = 10
)

// customChecks are the profile's own, custom-1 and so on.
func (o *Options) customChecks() []Check {
	var checks []Check
	for i, custom := range o.Profile.Requirements.CustomChecks {
		name := fmt.Sprintf("custom-%d", i+1)
		checks = append(checks, Check{
			Name: name, Level: LevelError, alone: true, limit: customLimit,
			measure: func(ctx context.Context) (finding, error) {
				found, err := runScript(ctx, custom)
				if custom.Description != "" {
					found.measured = custom.Description + ": " + found.measured
				}
				return found, err
			},
		})
	}
	return checks
}

// runScript runs a script by /bin/sh, with what it starts in a process group
// that ends with it. The shell reads it from memory, so that it may lie nowhere
// and need not be executable, and standard input is empty.
func runScript(ctx context.Context, custom manifest.CustomCheck) (finding, error) {
	if custom.Script.IsReference() {
		return finding{}, fmt.Errorf("the manifest only refers to the script %s, which a bundle contains", custom.Script)
	}
	script, err := inMemory([]byte(custom.Script))
	if err != nil {
		return finding{}, err
	}
	defer script.Close()
	output := &tail{}
	command := exec.CommandContext(ctx, "/bin/sh", "/proc/self/fd/3")
	command.ExtraFiles = []*os.File{script}
	command.Stdout, command.Stderr = output, output
	command.Dir = "/"
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = time.Second
	start := time.Now()
	err = command.Run()
	if command.Process != nil {
		// What the script left in the background ends, too.
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
	}
	took := round(time.Since(start))
	const wanted, remedy = "exit code 0", "see what the script says, and do as its author says"
	var exit *exec.ExitError
	switch {
	case errors.Is(context.Cause(ctx), errLimit):
		found := passed("no end after %s", took).want(wanted).unless(false, remedy)
		found.details = output.lines()
		return found, nil
	case ctx.Err() != nil:
		return finding{}, context.Cause(ctx)
	case errors.As(err, &exit):
		found := passed("%s after %s", exit.ProcessState, took).want(wanted).unless(false, remedy)
		found.details = output.lines()
		return found, nil
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return finding{}, fmt.Errorf("run the script: %w", err)
	}
	return passed("succeeded after %s", took).want(wanted), nil
}

// inMemory is a file with contents that has no place on any disk.
func inMemory(content []byte) (*os.File, error) {
	descriptor, err := unix.MemfdCreate("gravity-check", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a file in memory: %w", err)
	}
	file := os.NewFile(uintptr(descriptor), "script")
	if _, err := file.Write(content); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if _, err := file.Seek(0, 0); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// tail keeps the end of what is written to it.
type tail struct{ kept []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p[max(0, len(p)-tailBytes):]...)
	t.kept = t.kept[max(0, len(t.kept)-tailBytes):]
	return len(p), nil
}

func (t *tail) lines() []string {
	text := strings.TrimSpace(strings.ToValidUTF8(string(t.kept), "?"))
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	return lines[max(0, len(lines)-tailLines):]
}

package container

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// runcThat is a runc that is a shell script.
func runcThat(t *testing.T, does string) *Container {
	t.Helper()
	p := paths.Paths{Root: t.TempDir()}
	runc := p.Tool("runc")
	if err := os.MkdirAll(filepath.Dir(runc), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(runc, []byte("#!/bin/sh\ncd "+p.Root+"\n"+does), 0o755); err != nil {
		t.Fatal(err)
	}
	return New(p)
}

// TestExec wants the output and exit code of a program.
func TestExec(t *testing.T) {
	c := runcThat(t, "echo out; echo err >&2; [ \"$7\" = good ] || exit 7\n")
	if output, err := c.Exec(t.Context(), Command{Args: []string{"good"}}); output != "out\n" || err != nil {
		t.Errorf("%q, %v", output, err)
	}
	_, err := c.Exec(t.Context(), Command{Args: []string{"bad"}})
	var failed *CommandError
	if !errors.As(err, &failed) || failed.ExitCode != 7 || failed.Tail != "err" {
		t.Errorf("%v", err)
	}
}

// TestExecIsCancelled wants a program to be asked to end with the context, and
// one that does not to be left alone.
func TestExecIsCancelled(t *testing.T) {
	c := runcThat(t, "trap 'echo asked >asked; exit 143' TERM\necho >began\nwhile :; do sleep 0.1; done\n")
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("enough")
	go func() {
		defer cancel(reason)
		for t.Context().Err() == nil {
			if _, err := os.Stat(filepath.Join(c.paths.Root, "began")); err == nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	if _, err := c.Exec(ctx, Command{Args: []string{"wait"}}); !errors.Is(err, reason) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(filepath.Join(c.paths.Root, "asked")); err != nil {
		t.Error(err)
	}
}

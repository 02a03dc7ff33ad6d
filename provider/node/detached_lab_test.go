package node

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/provider/connection"
)

func start(t *testing.T, node *Node, key, script, input string) bool {
	t.Helper()
	started, err := node.StartDetached(t.Context(), Detached{Key: key, Args: []string{"sh", "-c", script}, Stdin: []byte(input)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := node.Forget(context.WithoutCancel(t.Context()), key); err != nil {
			t.Error(err)
		}
	})
	return started
}

func TestDetached(t *testing.T) {
	one, config := machine(t, "one")
	for _, user := range []string{"root", "admin"} {
		t.Run(user, func(t *testing.T) {
			config := config
			config.User = user
			_, node := reach(t, config)
			const script = `read -r secret; echo "${#secret} 100% $HOME"; echo working >&2; sleep 1; echo done >&2; exit 3`
			const secret = "swordfish-4711"
			if !start(t, node, "cluster/one", script, secret+"\n") || start(t, node, "cluster/one", script, "") {
				t.Error("the command was not started once")
			}
			if found := sh(t, one, "grep -rls swordfis[h]-4711 /var/lib/gravity /run/gravity /run/systemd/transient /proc/[0-9]*/cmdline || :"); found != "" {
				t.Errorf("the secret is in %s", found)
			}
			var said bytes.Buffer
			outcome, err := node.Wait(t.Context(), "cluster/one", &said)
			if err != nil || outcome.ExitCode != 3 || !strings.HasPrefix(string(outcome.Stdout), "14 100% ") {
				t.Errorf("it ended with %d and printed %q: %v", outcome.ExitCode, outcome.Stdout, err)
			}
			if want := "working\ndone\n"; said.String() != want || string(outcome.Stderr) != want {
				t.Errorf("progress is %q and the end of it %q", said.String(), outcome.Stderr)
			}
			// Whoever comes later finds how it ended.
			if start(t, node, "cluster/one", script, "") {
				t.Error("a command that has ended was started again")
			}
			if outcome, err = node.Wait(t.Context(), "cluster/one", nil); err != nil || outcome.ExitCode != 3 {
				t.Errorf("later it ended with %d: %v", outcome.ExitCode, err)
			}
			if err := node.Forget(t.Context(), "cluster/one"); err != nil {
				t.Error(err)
			}
			if _, err = node.Wait(t.Context(), "cluster/one", nil); !errors.Is(err, ErrAbsent) {
				t.Errorf("what was forgotten: %v", err)
			}
		})
	}
}

func TestDetachedOutput(t *testing.T) {
	_, config := machine(t, "one")
	_, node := reach(t, config)
	start(t, node, "much", "seq 1 40000 >&2; seq 1 1000", "")
	var said bytes.Buffer
	outcome, err := node.Wait(t.Context(), "much", &said)
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(said.String(), "\n"); lines != 40000 || len(outcome.Stderr) != tailLimit {
		t.Errorf("%d lines arrived, %d bytes are kept", lines, len(outcome.Stderr))
	}
	if lines := strings.Count(string(outcome.Stdout), "\n"); lines != 1000 {
		t.Errorf("it printed %d lines", lines)
	}
}

// TestDetachedCut: nothing happens to the command when the link is cut, nor when
// sshd ends, and the wait finds it again.
func TestDetachedCut(t *testing.T) {
	one, config := machine(t, "one")
	config.Timeout = time.Second
	_, node := reach(t, config)
	start(t, node, "long", "echo $$; for i in 1 2 3 4 5 6 7 8; do echo $i >&2; sleep 1; done", "")
	err := node.Forget(t.Context(), "long")
	if exit, ok := errors.AsType[*connection.ExitError](err); !ok || exit.Code != 1 {
		t.Errorf("a command that runs was forgotten: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := node.Wait(ctx, "long", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a wait that was too short: %v", err)
	}
	go func() {
		_ = wait(t.Context(), time.Second)
		_ = one.Cut(context.WithoutCancel(t.Context()))
		_ = wait(t.Context(), 4*time.Second)
		_ = one.Heal(context.WithoutCancel(t.Context()))
	}()
	var said bytes.Buffer
	outcome, err := node.Wait(t.Context(), "long", &said)
	if err != nil || outcome.ExitCode != 0 || said.String() != "1\n2\n3\n4\n5\n6\n7\n8\n" {
		t.Errorf("it ended with %d after %q: %v", outcome.ExitCode, said.String(), err)
	}
}

// TestDetachedPowerFailure: what was cut off is told, and can be started again.
func TestDetachedPowerFailure(t *testing.T) {
	two, config := machine(t, "two")
	_, node := reach(t, config)
	const script = "read -r first; [ -e /root/seen ] && exit 0; touch /root/seen; sync; sleep 600"
	start(t, node, "again", script, "input\n")
	for sh(t, two, "ls /root") == "" {
		if err := wait(t.Context(), 50*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	if err := two.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := two.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := node.Wait(t.Context(), "again", nil); !errors.Is(err, ErrInterrupted) {
		t.Fatalf("after a power failure: %v", err)
	}
	if !start(t, node, "again", script, "input\n") {
		t.Error("what was interrupted was not started again")
	}
	if outcome, err := node.Wait(t.Context(), "again", nil); err != nil || outcome.ExitCode != 0 {
		t.Errorf("the second time it ended with %d: %v", outcome.ExitCode, err)
	}
}

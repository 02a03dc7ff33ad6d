package connection

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/provider/connection/sshtest"
)

func TestRun(t *testing.T) {
	_, config := newServer(t, sshtest.Options{})
	host := newHost(t, config)
	if got := output(t, host, "printf", "%s|", "a b", "", "it's", "$HOME", "*", "ä\n"); got != "a b||it's|$HOME|*|ä\n|" {
		t.Errorf("arguments arrive as %q", got)
	}
	result, err := host.Run(t.Context(), Command{Args: []string{"sh", "-c", "cat; echo warning >&2"}, Stdin: strings.NewReader("input")})
	if err != nil || string(result.Stdout) != "input" || string(result.Stderr) != "warning\n" {
		t.Errorf("standard input came back as %q and %q: %v", result.Stdout, result.Stderr, err)
	}
	_, err = host.Run(t.Context(), Command{Args: []string{"sh", "-c", "echo one >&2; echo two >&2; exit 7"}})
	exit, ok := errors.AsType[*ExitError](err)
	if !ok || exit.Code != 7 || exit.Stderr != "one\ntwo\n" {
		t.Errorf("exit code 7: %v", err)
	}
	if !strings.HasSuffix(err.Error(), ": two") {
		t.Errorf("the error does not end with the last line: %v", err)
	}
}

// TestQuote: whatever the words are, a shell makes the same words of them.
func TestQuote(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh")
	}
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[ -~äñ\n\t]{0,20}`)
		words := rapid.SliceOfN(word, 1, 5).Draw(t, "words")
		got, err := exec.Command(shell, "-c", `printf '%s\0' `+Quote(words)).Output()
		if err != nil {
			t.Fatal(err)
		}
		if arrived := strings.Split(strings.TrimSuffix(string(got), "\x00"), "\x00"); !slices.Equal(arrived, words) {
			t.Fatalf("%q became %q", words, arrived)
		}
	})
}

func TestTooMuchOutput(t *testing.T) {
	_, config := newServer(t, sshtest.Options{})
	host := newHost(t, config)
	_, err := host.Run(t.Context(), Command{Args: []string{"sh", "-c", "while :; do echo more; done"}, Limit: 1000})
	if !errors.Is(err, ErrTooLong) {
		t.Errorf("endless output: %v", err)
	}
	result, err := host.Run(t.Context(), Command{Args: []string{"sh", "-c", "seq 100000 >&2"}})
	if err != nil || len(result.Stderr) != stderrLimit || !strings.HasSuffix(string(result.Stderr), "100000\n") {
		t.Errorf("%d bytes of standard error are kept: %v", len(result.Stderr), err)
	}
}

// TestCancel: the end of a context ends the command, not the connection.
func TestCancel(t *testing.T) {
	server, config := newServer(t, sshtest.Options{})
	host := newHost(t, config)
	output(t, host, "true") // it is connected: a context that ends earlier ends that
	for _, script := range []string{"sleep 600", "trap '' TERM; sleep 600 & wait; sleep 600"} {
		ctx, cancel := context.WithCancelCause(t.Context())
		reason := errors.New("changed my mind")
		time.AfterFunc(50*time.Millisecond, func() { cancel(reason) })
		if _, err := host.Run(ctx, Command{Args: []string{"sh", "-c", script}}); !errors.Is(err, reason) {
			t.Errorf("%s: %v", script, err)
		}
		cancel(nil)
	}
	output(t, host, "true")
	if server.Dials() != 1 {
		t.Errorf("%d connections were made", server.Dials())
	}
}

func TestLostConnection(t *testing.T) {
	server, config := newServer(t, sshtest.Options{})
	host := newHost(t, config)
	marker := filepath.Join(t.TempDir(), "started")
	go func() {
		for {
			if _, err := os.Stat(marker); err == nil || t.Context().Err() != nil {
				server.Drop()
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	_, err := host.Run(t.Context(), Command{Args: []string{"sh", "-c", "touch " + Quote([]string{marker}) + "; sleep 600"}})
	if _, ok := errors.AsType[*LostError](err); !ok {
		t.Errorf("a connection that was reset: %v", err)
	}
	// The next command has a new connection.
	output(t, host, "true")
	if server.Dials() != 2 {
		t.Errorf("%d connections were made", server.Dials())
	}
}

// TestSilence: a link that is dead without a reset is found by keepalives.
func TestSilence(t *testing.T) {
	server, config := newServer(t, sshtest.Options{})
	config.Timeout = time.Second
	pool := NewPool(PoolOptions{Keepalive: 20 * time.Millisecond, Silence: 500 * time.Millisecond})
	t.Cleanup(pool.Close)
	host, err := pool.Get(config)
	if err != nil {
		t.Fatal(err)
	}
	defer host.Release()
	// A command that says nothing for longer does not look like a dead link.
	output(t, host, "sleep", "1")
	if server.Dials() != 1 {
		t.Errorf("a quiet command cost %d connections", server.Dials())
	}
	server.Silence(true)
	_, err = host.Run(t.Context(), Command{Args: []string{"true"}})
	if err == nil {
		t.Fatal("a command ran on a dead link")
	}
	server.Silence(false)
	output(t, host, "true")
}

func TestSudo(t *testing.T) {
	fake := func(t *testing.T, script string) *Host {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "sudo"), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
			t.Fatal(err)
		}
		_, config := newServer(t, sshtest.Options{Environment: []string{"PATH=" + dir + ":" + os.Getenv("PATH")}})
		config.User = "admin"
		return newHost(t, config)
	}
	host := fake(t, `[ "$1 $2" = "-n --" ] || exit 9; shift 2; exec "$@"`)
	if got := output(t, host, "printf", "%s", "a b"); got != "a b" {
		t.Errorf("sudo runs %q", got)
	}
	host = fake(t, `echo "sudo: a password is required" >&2; exit 1`)
	_, err := host.Run(t.Context(), Command{Args: []string{"true"}})
	if !errors.Is(err, ErrPassword) || !strings.Contains(strings.Join(cli.Hints(err), ""), "admin ALL=(ALL) NOPASSWD: ALL") {
		t.Errorf("sudo that asks: %v, %v", err, cli.Hints(err))
	}
	// A command's own failure is not sudo's.
	host = fake(t, `shift 2; exec "$@"`)
	_, err = host.Run(t.Context(), Command{Args: []string{"sh", "-c", "echo no password >&2; exit 1"}})
	if _, ok := errors.AsType[*ExitError](err); !ok {
		t.Errorf("a command that fails: %v", err)
	}
}

func TestUnreachable(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	config := Config{Host: "127.0.0.1", Port: port, Password: password, InsecureIgnoreHostKey: true, Timeout: 700 * time.Millisecond}
	_, err = newHost(t, config).Run(t.Context(), Command{Args: []string{"true"}})
	unreachable, ok := errors.AsType[*UnreachableError](err)
	if !ok || unreachable.After < config.Timeout {
		t.Errorf("nothing listens: %v", err)
	}
	config.Host = "machine.invalid"
	_, err = newHost(t, config).Run(t.Context(), Command{Args: []string{"true"}})
	if _, ok := errors.AsType[*UnreachableError](err); ok || err == nil {
		t.Errorf("a name that does not exist: %v", err)
	}
}

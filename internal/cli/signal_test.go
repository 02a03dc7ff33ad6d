package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// signalVariable makes the test binary a program that waits for a signal; its
// value is what it does then.
const signalVariable = "GRAVITY_TEST_SIGNAL"

func TestMain(m *testing.M) {
	if behaviour := os.Getenv(signalVariable); behaviour != "" {
		os.Args = os.Args[:1]
		os.Exit(Run(&cobra.Command{Use: "waiter", RunE: func(command *cobra.Command, _ []string) error {
			fmt.Println("ready")
			<-command.Context().Done()
			fmt.Println("cancelled")
			if behaviour == "hang" {
				time.Sleep(time.Minute)
			}
			return command.Context().Err()
		}}))
	}
	os.Exit(m.Run())
}

func TestSignals(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			command, lines, stderr := startWaiter(t, "return")
			send(t, command, signal)
			expectLine(t, lines, "cancelled")
			var exit *exec.ExitError
			if err := command.Wait(); !errors.As(err, &exit) || exit.ExitCode() != ExitInterrupted {
				t.Errorf("ended with %v, want exit code %d", err, ExitInterrupted)
			}
			if want := "error: interrupted: context canceled\n"; stderr.String() != want {
				t.Errorf("stderr %q, want %q", stderr, want)
			}
		})
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	command, lines, _ := startWaiter(t, "hang")
	send(t, command, syscall.SIGINT)
	expectLine(t, lines, "cancelled")
	// The first signal's handler is taken away by a goroutine of its own, so
	// the next one may still be swallowed.
	exited := make(chan error, 1)
	go func() { exited <- command.Wait() }()
	deadline := time.After(10 * time.Second)
	for {
		_ = command.Process.Signal(syscall.SIGINT)
		select {
		case err := <-exited:
			var exit *exec.ExitError
			if !errors.As(err, &exit) || !strings.Contains(exit.String(), "interrupt") {
				t.Errorf("ended with %v, want by SIGINT", err)
			}
			return
		case <-deadline:
			t.Fatal("still running after the second signal")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func startWaiter(t *testing.T, behaviour string) (*exec.Cmd, *bufio.Scanner, *bytes.Buffer) {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0])
	command.Env = append(os.Environ(), signalVariable+"="+behaviour)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	expectLine(t, lines, "ready")
	return command, lines, &stderr
}

func send(t *testing.T, command *exec.Cmd, signal syscall.Signal) {
	t.Helper()
	if err := command.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

func expectLine(t *testing.T, lines *bufio.Scanner, want string) {
	t.Helper()
	if !lines.Scan() || lines.Text() != want {
		t.Fatalf("read %q (%v), want %q", lines.Text(), lines.Err(), want)
	}
}

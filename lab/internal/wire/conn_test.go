package wire_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/wire"
)

// serve connects a client with a handler; the returned function waits until
// the server is done.
func serve(t *testing.T, handle wire.Handler) (*wire.Conn, func()) {
	t.Helper()
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		wire.Serve(t.Context(), theirs, handle)
	}()
	conn := wire.NewConn(ours)
	t.Cleanup(func() { _ = conn.Close() })
	return conn, func() {
		t.Helper()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Error("the server does not end")
		}
	}
}

func TestCall(t *testing.T) {
	conn, wait := serve(t, func(_ context.Context, request wire.Request, progress func(string)) (*wire.Lab, error) {
		if request.Op == wire.OpAdd {
			return nil, cli.WithHint(cli.WithCode(errors.New("no room"), cli.ExitDegraded), "remove %s", "one")
		}
		for _, name := range request.Machines {
			progress(name)
		}
		return &wire.Lab{Name: string(request.Op)}, nil
	})
	var lines []string
	request := wire.Request{Op: wire.OpKill, Machines: []string{"one", "two"}}
	lab, err := conn.Call(t.Context(), request, func(line string) { lines = append(lines, line) })
	if err != nil {
		t.Fatal(err)
	}
	if lab.Name != "kill" || !slices.Equal(lines, request.Machines) {
		t.Errorf("got %q with progress %q", lab.Name, lines)
	}

	_, err = conn.Call(t.Context(), wire.Request{Op: wire.OpAdd}, nil)
	got := fmt.Sprintln(err, cli.Hints(err), cli.ExitCode(err))
	if want := fmt.Sprintln("no room", []string{"remove one"}, cli.ExitDegraded); got != want {
		t.Errorf("the error arrives as %q, not %q", got, want)
	}
	_ = conn.Close()
	wait()
}

// TestClientGone checks what the supervisor relies on: that the context of an
// operation ends with its client.
func TestClientGone(t *testing.T) {
	started, cause := make(chan struct{}), make(chan error, 1)
	conn, wait := serve(t, func(ctx context.Context, _ wire.Request, _ func(string)) (*wire.Lab, error) {
		close(started)
		<-ctx.Done()
		cause <- ctx.Err()
		return nil, ctx.Err()
	})
	go func() {
		<-started
		_ = conn.Close()
	}()
	if _, err := conn.Call(t.Context(), wire.Request{Op: wire.OpStatus}, nil); !errors.Is(err, wire.ErrClosed) {
		t.Errorf("the client's error is %v", err)
	}
	wait()
	if err := <-cause; !errors.Is(err, context.Canceled) {
		t.Errorf("the operation ended with %v", err)
	}
}

func TestCallIsCancelled(t *testing.T) {
	conn, wait := serve(t, func(ctx context.Context, _ wire.Request, _ func(string)) (*wire.Lab, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	reason := errors.New("enough")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, reason)
	defer cancel()
	if _, err := conn.Call(ctx, wire.Request{Op: wire.OpStatus}, nil); !errors.Is(err, reason) {
		t.Errorf("err = %v", err)
	}
	_ = conn.Close()
	wait()
}

func TestGarbageEndsTheConnection(t *testing.T) {
	ours, theirs := net.Pipe()
	go func() {
		_, _ = ours.Write([]byte("GET / HTTP/1.1\r\n"))
	}()
	wire.Serve(t.Context(), theirs, func(context.Context, wire.Request, func(string)) (*wire.Lab, error) {
		t.Error("garbage was handled")
		return nil, nil
	})
	_ = ours.Close()
}

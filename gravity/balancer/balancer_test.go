package balancer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/balancer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server answers each connection with its name, and then echoes.
func server(t *testing.T, name string) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer connection.Close()
				_, _ = fmt.Fprintf(connection, "%4s", name)
				_, _ = io.Copy(connection, connection)
			})
		}
	})
	t.Cleanup(func() { _ = listener.Close(); running.Wait() })
	return listener
}

// start serves two upstreams; the returned function sets whether the first one
// passes its checks.
func start(t *testing.T, upstreams ...string) (address string, setFirst func(bool)) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var failing atomic.Bool
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- balancer.Serve(ctx, listener, balancer.Options{
			Interval:  5 * time.Millisecond,
			Upstreams: func() ([]string, error) { return upstreams, nil },
			Check: func(_ context.Context, address string) error {
				if address == upstreams[0] && failing.Load() {
					return errors.New("it is ill")
				}
				return nil
			},
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String(), func(serves bool) { failing.Store(!serves) }
}

// connect returns a connection and the name of who answers.
func connect(t *testing.T, address string) (net.Conn, string) {
	t.Helper()
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	name := make([]byte, 4)
	if _, err := io.ReadFull(connection, name); err != nil {
		return connection, err.Error()
	}
	return connection, string(name)
}

func TestServe(t *testing.T) {
	one, two := server(t, "one_"), server(t, "two_")
	address, setFirst := start(t, one.Addr().String(), two.Addr().String())
	connection, name := connect(t, address)
	if name != "one_" {
		t.Fatalf("%s answers, want the preferred one", name)
	}
	if _, err := connection.Write([]byte("ping")); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 4)
	if _, err := io.ReadFull(connection, answer); err != nil || string(answer) != "ping" {
		t.Fatalf("echo is %q, %v", answer, err)
	}
	// An upstream that fails its checks loses its connections.
	setFirst(false)
	if _, err := connection.Read(answer); err == nil {
		t.Error("a connection to a master that does not serve stays open")
	}
	if _, name := connect(t, address); name != "two_" {
		t.Errorf("%s answers, want the other one", name)
	}
	// Back again, it is preferred again.
	setFirst(true)
	for {
		connection, name := connect(t, address)
		_ = connection.Close()
		if name == "one_" {
			break
		}
	}
}

// TestServeRefused goes on to the next upstream before a check has noticed.
func TestServeRefused(t *testing.T) {
	one, two := server(t, "one_"), server(t, "two_")
	address, _ := start(t, one.Addr().String(), two.Addr().String())
	_ = one.Close()
	if _, name := connect(t, address); name != "two_" {
		t.Errorf("%s answers, want the other one", name)
	}
}

// TestServeHalfClosed passes the end of a client's stream on.
func TestServeHalfClosed(t *testing.T) {
	address, _ := start(t, server(t, "one_").Addr().String())
	connection, _ := connect(t, address)
	half, ok := connection.(*net.TCPConn)
	if !ok {
		t.Fatalf("a %T", connection)
	}
	if _, err := half.Write([]byte("all of it")); err != nil {
		t.Fatal(err)
	}
	if err := half.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(half)
	if err != nil || string(rest) != "all of it" {
		t.Errorf("got %q, %v", rest, err)
	}
}

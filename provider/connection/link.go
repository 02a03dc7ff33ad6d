package connection

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sync/semaphore"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// link is a connection that was made.
type link struct {
	client *ssh.Client
	// permits are for sessions. A session that the server refuses keeps its
	// permit for good, so that no more are opened than the server allows.
	permits *semaphore.Weighted
	done    chan struct{}
	running sync.WaitGroup

	mu     sync.Mutex
	lost   int
	closed bool
}

func newLink(client *ssh.Client, keepalive time.Duration) *link {
	l := &link{client: client, permits: semaphore.NewWeighted(maxSessions), done: make(chan struct{})}
	l.running.Go(func() {
		_ = client.Wait()
		close(l.done)
	})
	l.running.Go(func() { l.keepAlive(keepalive) })
	return l
}

// close ends the connection and what belongs to it.
func (l *link) close() {
	_ = l.client.Close()
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.running.Wait()
}

func (l *link) ended() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// keepAlive asks for answers until the connection ends. That it ends without
// answers is watched's task.
func (l *link) keepAlive(interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-l.done:
			return
		case <-ticker.C:
			_, _, _ = l.client.SendRequest("keepalive@openssh.com", true, nil)
		}
	}
}

// session is an open session with its permit.
type session struct {
	*ssh.Session
	link *link
}

// A server frees a session that has ended when it gets to it, and may refuse one
// until then. So a refusal is only believed when it is repeated: once, to open
// fewer at a time, and for refusalTimeout before it is the user's trouble.
const (
	refusalDelay   = 20 * time.Millisecond
	refusalTimeout = 5 * time.Second
)

// session opens a session. It waits while as many are open as may be.
func (l *link) session(ctx context.Context) (*session, error) {
	patience := 2 * refusalDelay
	for {
		if err := l.permits.Acquire(ctx, 1); err != nil {
			return nil, context.Cause(ctx)
		}
		opened, err := l.open(ctx, patience)
		if err == nil {
			return &session{opened, l}, nil
		}
		refused, ok := errors.AsType[*ssh.OpenChannelError](err)
		if ok && l.shrink() {
			continue
		}
		l.permits.Release(1)
		switch {
		case !ok:
			return nil, err
		case patience == refusalTimeout:
			return nil, cli.WithHint(fmt.Errorf("open a session: the machine allows none: %w", refused), "raise MaxSessions in its sshd_config")
		}
		patience = refusalTimeout
	}
}

// open opens a session, and asks again for some time when it is refused.
func (l *link) open(ctx context.Context, patience time.Duration) (*ssh.Session, error) {
	began, delay := time.Now(), refusalDelay
	for {
		opened, err := l.client.NewSession()
		if _, refused := errors.AsType[*ssh.OpenChannelError](err); !refused || time.Since(began) >= patience {
			return opened, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(delay):
		}
		delay = min(2*delay, time.Second/2)
	}
}

// do runs a command and sends what comes of it. The session is given back when
// the command ended, or the connection.
func (s *session) do(line string) <-chan error {
	ended := make(chan error, 1)
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	if s.link.closed {
		ended <- net.ErrClosed
		return ended
	}
	s.link.running.Go(func() {
		err := s.Start(line)
		if err == nil {
			err = s.Wait()
		}
		_ = s.Close()
		s.link.permits.Release(1)
		ended <- err
	})
	return ended
}

// interrupt asks the command to end, and gives its output up.
func (s *session) interrupt() {
	_ = s.Signal(ssh.SIGTERM)
	_ = s.Close()
}

// shrink keeps a permit for good. It is false for the last one, which others
// need when the server changes its mind.
func (l *link) shrink() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost == maxSessions-1 {
		return false
	}
	l.lost++
	return true
}

// forward opens a connection through this machine.
func (s *shared) forward(ctx context.Context, address string) (net.Conn, error) {
	current, err := s.link(ctx)
	if err != nil {
		return nil, fmt.Errorf("bastion: %w", err)
	}
	conn, err := current.client.DialContext(ctx, "tcp", address)
	if err != nil && current.ended() {
		s.drop(current)
	}
	return conn, err
}

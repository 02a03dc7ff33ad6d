package connection

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

const (
	// attemptTimeout bounds one attempt, handshake included.
	attemptTimeout = 20 * time.Second
	firstPause     = 250 * time.Millisecond
	longestPause   = 5 * time.Second
)

// An UnreachableError says that a machine did not answer. It may be switched
// off, or not there yet: it does not mean that it is gone.
type UnreachableError struct {
	// Target is USER@HOST:PORT.
	Target string
	// After is how long it was tried.
	After time.Duration
	Err   error
}

// Error says how long it was tried.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("connect to %s: no success within %s: %v", e.Target, e.After.Round(time.Second), e.Err)
}

// Unwrap returns the cause of the last attempt.
func (e *UnreachableError) Unwrap() error { return e.Err }

// dialer opens the network connection to a machine.
type dialer func(ctx context.Context, address string) (net.Conn, error)

func dialDirectly(ctx context.Context, address string) (net.Conn, error) {
	var dialer net.Dialer
	return dialer.DialContext(ctx, "tcp", address)
}

// connect logs in, and tries again for as long as the machine does not answer
// and the timeout allows. What will not go away by itself is returned at once.
func connect(ctx context.Context, config Config, dial dialer, silence time.Duration) (*ssh.Client, error) {
	start := time.Now()
	limited, cancel := context.WithTimeout(ctx, config.timeout())
	defer cancel()
	var last error
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		client, err := attempt(limited, config, dial, silence)
		if err == nil {
			return client, nil
		}
		if limited.Err() == nil && !mayPass(err) {
			return nil, err
		}
		// The deadline cuts the last attempt off; the one before says more.
		if last == nil || limited.Err() == nil {
			last = err
		}
		select {
		case <-limited.Done():
			if ctx.Err() != nil {
				return nil, fmt.Errorf("connect to %s: %w: %w", config, context.Cause(ctx), last)
			}
			return nil, cli.WithHint(&UnreachableError{Target: config.String(), After: time.Since(start), Err: last},
				"check the address, that the machine is up and that nothing filters port %d; timeout says how long to try", config.port())
		case <-time.After(pause + rand.N(pause/2)):
		}
	}
}

// attempt logs in once.
func attempt(ctx context.Context, config Config, dial dialer, silence time.Duration) (*ssh.Client, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, attemptTimeout, errSilent)
	defer cancel()
	verifier, err := newVerifier(config)
	if err != nil {
		return nil, &FieldError{config.hostKeyField(), err}
	}
	credentials, err := newCredentials(ctx, config)
	if err != nil {
		return nil, err
	}
	defer credentials.close()
	raw, err := dial(ctx, config.address())
	if err != nil {
		return nil, dialError(config, err)
	}
	conn := &watched{Conn: raw, silence: silence}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	client, err := handshake(conn, config, verifier, credentials)
	if !stop() && err == nil {
		_ = client.Close()
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = conn.Close()
		if ctx.Err() != nil {
			return nil, fmt.Errorf("connect to %s: %w", config, context.Cause(ctx))
		}
		return nil, err
	}
	conn.begin()
	return client, nil
}

var errSilent = &silentError{}

// silentError is a timeout of ours.
type silentError struct{}

func (*silentError) Error() string   { return "the machine does not answer" }
func (*silentError) Timeout() bool   { return true }
func (*silentError) Temporary() bool { return true }

// dialError explains what a bastion says.
func dialError(config Config, err error) error {
	if refused, ok := errors.AsType[*ssh.OpenChannelError](err); ok && refused.Reason == ssh.Prohibited {
		return cli.WithHint(fmt.Errorf("connect to %s through %s: the bastion does not forward: %w", config, config.Bastion, err),
			"set AllowTcpForwarding yes in the bastion's sshd_config")
	}
	return fmt.Errorf("connect to %s: %w", config, err)
}

// handshake agrees on keys, checks the machine's and logs in. What fails after
// the host key was accepted, and is not the network, is about credentials.
func handshake(conn net.Conn, config Config, verifier *verifier, offered *credentials) (*ssh.Client, error) {
	var verified bool
	var refused error
	sshConn, channels, requests, err := ssh.NewClientConn(conn, config.address(), &ssh.ClientConfig{
		User: config.user(), Auth: offered.methods, HostKeyAlgorithms: verifier.algorithms(),
		HostKeyCallback: func(address string, remote net.Addr, key ssh.PublicKey) error {
			refused = verifier.check(address, remote, key)
			verified = refused == nil
			return refused
		},
	})
	negotiation, _ := errors.AsType[*ssh.AlgorithmNegotiationError](err)
	switch {
	case err == nil:
		return ssh.NewClient(sshConn, channels, requests), nil
	case refused != nil:
		return nil, fmt.Errorf("connect to %s: %w", config, refused)
	case mayPass(err):
		return nil, fmt.Errorf("connect to %s: %w", config, err)
	case verified:
		return nil, cli.WithHint(&AuthenticationError{Target: config.String(), Tried: offered.tried, Err: err},
			"the public key must be in ~%s/.ssh/authorized_keys there; 'ssh %s -p %d %s@%s' must work", config.user(), "-v", config.port(), config.user(), config.Host)
	case negotiation != nil && negotiation.What == "host key" && len(verifier.algorithms()) > 0:
		return nil, fmt.Errorf("connect to %s: %w", config, verifier.noCommonKind())
	default:
		return nil, fmt.Errorf("connect to %s: %w", config, err)
	}
}

// mayPass tells errors of a machine that boots, or of a network that is not
// there for a while, from those that stay.
func mayPass(err error) bool {
	for _, passing := range []error{
		io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE,
		syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ENETDOWN, syscall.EHOSTDOWN,
	} {
		if errors.Is(err, passing) {
			return true
		}
	}
	if refused, ok := errors.AsType[*ssh.OpenChannelError](err); ok {
		return refused.Reason == ssh.ConnectionFailed
	}
	if name, ok := errors.AsType[*net.DNSError](err); ok {
		return name.IsTimeout || name.IsTemporary
	}
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// watched is a connection that closes when nothing arrives for too long. What
// keeps it alive is the answers to keepalives, or any other traffic, so a slow
// upload does not look like a lost link.
type watched struct {
	net.Conn
	silence time.Duration
	closing sync.Once
	err     error

	mu    sync.Mutex
	timer *time.Timer
}

// begin begins to watch. Before, while logging in, machines may take their time.
func (w *watched) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(w.silence, func() { _ = w.Close() })
}

// Read postpones the end.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.mu.Lock()
	defer w.mu.Unlock()
	if n > 0 && w.timer != nil && w.timer.Stop() {
		w.timer.Reset(w.silence)
	}
	return n, err
}

// Close may be called several times.
func (w *watched) Close() error {
	w.closing.Do(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.timer != nil {
			w.timer.Stop()
		}
		w.err = w.Conn.Close()
	})
	return w.err
}

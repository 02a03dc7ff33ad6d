// Package balancer is the way from every node to the API servers: it listens on
// loopback and passes connections on to a master that serves. There is no
// balancer outside of the cluster, and losing one master is invisible to whoever
// comes through here.
package balancer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"
)

// Options are settings of Serve.
type Options struct {
	// Upstreams returns the addresses of the API servers, the preferred one
	// first. It is called before each round of checks, never by two goroutines.
	// After an error the last addresses stay.
	Upstreams func() ([]string, error)
	// Check tells whether an upstream serves; see CheckReady. One that does not gets
	// no more connections. Those that it has are closed when another one serves and
	// either the error is ErrGone or it is the second one in a row.
	Check func(ctx context.Context, address string) error
	// Interval is the time between checks; zero means two seconds.
	Interval time.Duration
	// MaxConnections bounds connections; zero means 4096. Others wait.
	MaxConnections int
	// Log receives changes of upstreams; nil means none.
	Log *slog.Logger
}

const dialTimeout = 3 * time.Second

// Serve passes the connections of a listener on until the context ends, and
// closes the listener. All connections are closed when it returns.
func Serve(ctx context.Context, listener net.Listener, options Options) error {
	if options.Interval == 0 {
		options.Interval = 2 * time.Second
	}
	if options.MaxConnections == 0 {
		options.MaxConnections = 4096
	}
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(ctx)
	b := &balancer{options: options, pool: make(map[string]*upstream)}
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	b.check(ctx)
	running.Go(func() { b.watch(ctx) })
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	slots := make(chan struct{}, options.MaxConnections)
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		connection, err := listener.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = connection.Close()
			}
			return nil
		}
		if err != nil {
			<-slots
			if errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("balancer: %w", err)
			}
			// Too many open files, for instance: it passes.
			options.Log.Warn("cannot accept a connection", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		running.Go(func() {
			defer func() { <-slots }()
			b.pass(ctx, connection)
		})
	}
}

// balancer keeps what is known of the upstreams.
type balancer struct {
	options Options

	mu    sync.Mutex
	order []string
	pool  map[string]*upstream
}

// illAfter is how many checks in a row an upstream that takes connections must
// fail before it loses those that it has: a slow answer may be the only one.
const illAfter = 2

// upstream is one API server. Its context ends when others serve and it does not
// any more, and its connections with it, so that clients look for another one.
type upstream struct {
	serves bool
	// failures is how many checks it has failed in a row.
	failures int
	ctx      context.Context //nolint:containedctx // the life of the upstream's connections
	cancel   context.CancelFunc
}

func (b *balancer) watch(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(b.options.Interval):
			b.check(ctx)
		}
	}
}

// check asks all upstreams at once whether they serve.
func (b *balancer) check(ctx context.Context) {
	addresses, err := b.options.Upstreams()
	if err != nil {
		b.options.Log.Warn("cannot read the list of masters", "error", err)
		b.mu.Lock()
		addresses = b.order
		b.mu.Unlock()
	}
	results := make([]error, len(addresses))
	var asked sync.WaitGroup
	for i, address := range addresses {
		asked.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, dialTimeout)
			defer cancel()
			results[i] = b.options.Check(ctx, address)
		})
	}
	asked.Wait()
	if ctx.Err() == nil {
		b.update(ctx, addresses, results)
	}
}

func (b *balancer) update(ctx context.Context, addresses []string, results []error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	elsewhere := slices.ContainsFunc(results, func(err error) bool { return err == nil })
	known := make(map[string]*upstream, len(addresses))
	for i, address := range addresses {
		u := b.pool[address]
		if u == nil {
			u = &upstream{}
			u.ctx, u.cancel = context.WithCancel(ctx)
		}
		if serves := results[i] == nil; serves != u.serves {
			b.options.Log.Info("a master has changed", "address", address, "serves", serves, "error", results[i])
			u.serves = serves
		}
		// Where nobody else serves, a client would lose its connection for nothing.
		if u.lost(results[i]) && elsewhere {
			u.cancel()
			u.ctx, u.cancel = context.WithCancel(ctx)
		}
		known[address] = u
	}
	for address, u := range b.pool {
		if known[address] == nil {
			u.cancel()
		}
	}
	b.order, b.pool = addresses, known
}

// lost takes the result of a check, and tells whether the upstream is not to be
// relied upon any more.
func (u *upstream) lost(result error) bool {
	if result == nil {
		u.failures = 0
		return false
	}
	u.failures++
	return errors.Is(result, ErrGone) || u.failures >= illAfter
}

// candidate is an upstream to try.
type candidate struct {
	address string
	ctx     context.Context //nolint:containedctx // that of the upstream
}

// candidates lists upstreams that serve, and then, since what is known may be
// old, the others.
func (b *balancer) candidates() []candidate {
	b.mu.Lock()
	defer b.mu.Unlock()
	var serving, others []candidate
	for _, address := range b.order {
		u := b.pool[address]
		if u.serves {
			serving = append(serving, candidate{address, u.ctx})
		} else {
			others = append(others, candidate{address, u.ctx})
		}
	}
	return append(serving, others...)
}

// pass copies bytes between a client and the first upstream that answers.
func (b *balancer) pass(ctx context.Context, client net.Conn) {
	defer client.Close()
	dialer := net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}
	for _, candidate := range b.candidates() {
		server, err := dialer.DialContext(ctx, "tcp", candidate.address)
		if err != nil {
			continue
		}
		stop := context.AfterFunc(candidate.ctx, func() {
			_ = server.Close()
			_ = client.Close()
		})
		join(client, server)
		stop()
		return
	}
}

// join copies in both directions until both have ended, and closes.
func join(client, server net.Conn) {
	var copying sync.WaitGroup
	one := func(to, from net.Conn) {
		_, _ = io.Copy(to, from) // an error is the end, too
		if half, ok := to.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	}
	copying.Go(func() { one(server, client) })
	one(client, server)
	// The server says nothing any more, so nobody waits for the client.
	_ = client.Close()
	copying.Wait()
	_ = server.Close()
}

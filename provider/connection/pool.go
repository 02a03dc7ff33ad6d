package connection

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"
)

// maxSessions leaves room below sshd's MaxSessions, 10.
const maxSessions = 8

// PoolOptions are times. The zero value has the defaults.
type PoolOptions struct {
	// Idle is how long a connection that nobody uses is kept, since the next
	// resource may want it; 30 seconds by default.
	Idle time.Duration
	// Keepalive is how often a machine is asked for a sign of life, 5 seconds by
	// default, and Silence after how much silence its connection is given up, 30
	// seconds by default.
	Keepalive, Silence time.Duration
}

// ErrClosed says that the pool was closed.
var ErrClosed = errors.New("the pool of connections is closed")

// Pool has one connection for each configuration, whoever uses it. Its methods,
// and those of its hosts, may be called concurrently.
type Pool struct {
	options PoolOptions

	mu     sync.Mutex
	hosts  map[string]*shared
	closed bool
}

// NewPool makes a pool without connections. The caller closes it.
func NewPool(options PoolOptions) *Pool {
	options.Idle = cmp.Or(options.Idle, 30*time.Second)
	options.Keepalive = cmp.Or(options.Keepalive, 5*time.Second)
	options.Silence = cmp.Or(options.Silence, 30*time.Second)
	return &Pool{options: options, hosts: make(map[string]*shared)}
}

// shared is what all users of a configuration have in common.
type shared struct {
	pool   *Pool
	config Config
	// bastion is nil for a machine that is reached directly.
	bastion *shared

	// users and timer belong to the pool's mutex.
	users int
	timer *time.Timer

	// turn is held, by one send, by who connects.
	turn chan struct{}
	mu   sync.Mutex
	// current is nil while there is no connection.
	current *link
	failure error
	failed  time.Time
}

// Host is one user's hold on a machine. It connects when it is used.
type Host struct {
	shared *shared
	once   sync.Once
}

// Get returns the machine of a configuration without connecting. The caller
// releases it.
func (p *Pool) Get(config Config) (*Host, error) {
	if err := config.Check(); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	return &Host{shared: p.hold(config)}, nil
}

// hold needs the mutex.
func (p *Pool) hold(config Config) *shared {
	key := config.key()
	found, ok := p.hosts[key]
	if !ok {
		found = &shared{pool: p, config: config, turn: make(chan struct{}, 1)}
		if config.Bastion != nil {
			found.bastion = p.hold(*config.Bastion)
		}
		p.hosts[key] = found
	}
	found.users++
	if found.timer != nil {
		found.timer.Stop()
		found.timer = nil
	}
	return found
}

// Release gives the machine back; it may be called several times. A connection
// that nobody uses is closed after a while.
func (h *Host) Release() {
	h.once.Do(func() {
		p := h.shared.pool
		p.mu.Lock()
		defer p.mu.Unlock()
		p.release(h.shared)
	})
}

// release needs the mutex.
func (p *Pool) release(s *shared) {
	s.users--
	if s.users == 0 && !p.closed {
		s.timer = time.AfterFunc(p.options.Idle, func() { p.forget(s) })
	}
}

// forget closes what nobody uses.
func (p *Pool) forget(s *shared) {
	p.mu.Lock()
	if p.closed || s.users > 0 {
		p.mu.Unlock()
		return
	}
	delete(p.hosts, s.config.key())
	if s.bastion != nil {
		p.release(s.bastion)
	}
	p.mu.Unlock()
	s.drop(nil)
}

// Close ends all connections. Commands that run lose theirs.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	hosts := p.hosts
	p.hosts = nil
	for _, s := range hosts {
		if s.timer != nil {
			s.timer.Stop()
		}
	}
	p.mu.Unlock()
	for _, s := range hosts {
		s.drop(nil)
	}
}

// String is USER@HOST:PORT.
func (h *Host) String() string { return h.shared.config.String() }

// Root tells whether the user is root, who needs no sudo.
func (h *Host) Root() bool { return h.shared.config.user() == "root" }

// drop closes the connection, if it is still the given one; nil means any.
func (s *shared) drop(which *link) {
	s.mu.Lock()
	current := s.current
	if current == nil || which != nil && which != current {
		s.mu.Unlock()
		return
	}
	s.current = nil
	s.mu.Unlock()
	current.close()
}

// connected returns the connection if there is a live one.
func (s *shared) connected() *link {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil || s.current.ended() {
		return nil
	}
	return s.current
}

// link returns the connection, and makes one if there is none. One caller
// connects while the others wait; what it fails with is the others' error too, so
// that a wrong password is tried once and not by every resource.
func (s *shared) link(ctx context.Context) (*link, error) {
	start := time.Now()
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if current := s.connected(); current != nil {
		return current, nil
	}
	if s.failure != nil && s.failed.After(start) {
		return nil, s.failure
	}
	s.drop(nil)
	made, err := s.connect(ctx)
	if err != nil {
		if ctx.Err() == nil {
			s.failure, s.failed = err, time.Now()
		}
		return nil, err
	}
	return made, s.keep(made)
}

// keep stores a new connection, unless the pool was closed meanwhile.
func (s *shared) keep(made *link) error {
	s.pool.mu.Lock()
	closed := s.pool.closed
	if !closed {
		s.mu.Lock()
		s.current = made
		s.mu.Unlock()
	}
	s.pool.mu.Unlock()
	if closed {
		made.close()
		return ErrClosed
	}
	return nil
}

func (s *shared) connect(ctx context.Context) (*link, error) {
	dial := dialDirectly
	if s.bastion != nil {
		dial = s.bastion.forward
	}
	client, err := connect(ctx, s.config, dial, s.pool.options.Silence)
	if err != nil {
		return nil, err
	}
	return newLink(client, s.pool.options.Keepalive), nil
}

package bootstrap

import (
	"net"
	"sync"
	"time"
)

const (
	// maxFailures is how often a machine may come with a token that is not good in a
	// window before it is not heard any more, and maxRequests how often all strangers
	// may ask.
	maxFailures = 20
	maxRequests = 600
	window      = time.Minute
	// maxSources bounds the memory of the limiter.
	maxSources = 10_000
)

// limiter slows down who guesses tokens. A chosen token may be weak, and each
// guess costs a master some work.
type limiter struct {
	mu       sync.Mutex
	began    time.Time
	requests int
	failures map[string]int
}

func newLimiter() *limiter { return &limiter{failures: make(map[string]int)} }

// allow tells whether a request from an address with a port may go on.
func (l *limiter) allow(from string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.Sub(l.began) >= window {
		l.began, l.requests = now, 0
		clear(l.failures)
	}
	l.requests++
	return l.requests <= maxRequests && l.failures[source(from)] < maxFailures
}

// failed counts a request with a token that is not good.
func (l *limiter) failed(from string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.failures) < maxSources {
		l.failures[source(from)]++
	}
}

func source(from string) string {
	host, _, err := net.SplitHostPort(from)
	if err != nil {
		return from
	}
	return host
}

package pull

import (
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Retry says when failed requests are repeated. The zero value is 5 attempts,
// the second after about a second, and never more than a minute in between.
type Retry struct {
	// Attempts is how often something is tried that makes no progress.
	Attempts int
	// Delay is the longest wait before the second attempt; it doubles with each
	// further one, up to Limit. The wait is between half of it and all of it.
	Delay time.Duration
	// Limit is the longest wait, also of what a registry asks for.
	Limit time.Duration
}

func (r Retry) withDefaults() Retry {
	if r.Attempts <= 0 {
		r.Attempts = 5
	}
	if r.Delay <= 0 {
		r.Delay = time.Second
	}
	if r.Limit <= 0 {
		r.Limit = time.Minute
	}
	return r
}

// temporary is an error that may be gone at the next attempt.
type temporary struct {
	err error
	// after is what the registry asked to wait, or 0.
	after time.Duration
	// progress says that the attempt brought something new.
	progress bool
}

func (t *temporary) Error() string { return t.err.Error() }
func (t *temporary) Unwrap() error { return t.err }

// Do tries something until it succeeds, or fails for good: with an error that
// neither OfConnection nor OfAnswer made, or too often.
func (r Retry) Do(ctx context.Context, try func() error) error { return r.do(ctx, try) }

// Progressed marks an error that may be gone at the next attempt: this attempt
// brought something new, and counts as the first.
func Progressed(err error) {
	if again, ok := errors.AsType[*temporary](err); ok {
		again.progress = true
	}
}

// OfConnection says of an error of a connection whether it may be gone at the next
// attempt.
func OfConnection(err error) error {
	if refused, ok := errors.AsType[*transport.Error](err); ok && !retryable(refused.StatusCode) {
		return err // of logging in
	}
	return ofConnection(err)
}

// OfAnswer returns nil if an answer has one of the wanted statuses, or else an
// error that wraps *transport.Error. It reads the body then.
func OfAnswer(response *http.Response, wanted ...int) error {
	err := transport.CheckError(response, wanted...)
	if err == nil || !retryable(response.StatusCode) {
		return err
	}
	return &temporary{err: err, after: retryAfter(response.Header)}
}

// do tries something until it succeeds, or fails for good.
func (r Retry) do(ctx context.Context, try func() error) error {
	r = r.withDefaults()
	for failures := 0; ; {
		err := try()
		var again *temporary
		if ctx.Err() != nil && err != nil {
			return context.Cause(ctx)
		}
		if !errors.As(err, &again) {
			return err
		}
		if failures++; again.progress {
			failures = 1
		}
		if failures >= r.Attempts {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(r.wait(failures, again.after)):
		}
	}
}

// wait is how long to wait after a number of failures.
func (r Retry) wait(failures int, asked time.Duration) time.Duration {
	delay := r.Delay
	for range failures - 1 {
		if delay = 2 * delay; delay > r.Limit {
			break
		}
	}
	delay = min(delay, r.Limit)
	delay = delay/2 + rand.N(delay/2+1)
	return max(delay, min(asked, r.Limit))
}

// retryable says whether a status may be another at the next attempt.
func retryable(status int) bool {
	return status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || status >= 500
}

// retryAfter reads when a registry wants to be asked again.
func retryAfter(header http.Header) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil && seconds > 0 {
		return time.Duration(min(seconds, 3600)) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return time.Until(date)
	}
	return 0
}

// ofConnection marks an error of a connection as temporary, unless it is one
// that stays: a name that does not exist, a certificate that is not trusted.
func ofConnection(err error) error {
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var path *fs.PathError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound, errors.As(err, &certificate), errors.As(err, &record), errors.As(err, &path):
		return err
	}
	return &temporary{err: err}
}

package kube

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"syscall"
	"time"
)

const (
	// administrator is the user of admin.conf. Its group is bound to cluster-admin,
	// so that nothing is refused to it for good.
	administrator = `User \"kubernetes-admin\" cannot `
	// startAttempts and startInterval bound how long a request is repeated.
	startAttempts = 25
	startInterval = time.Second
	// restartAttempts bounds how often it is tried to connect: while an agent starts
	// anew, as after an update or a failure, nobody listens for a second or two.
	restartAttempts = 5
	// maxRefusal is how much of a refusal is read, in bytes.
	maxRefusal = 64 << 10
)

// starting repeats what an API server refuses to the administrator. For seconds
// after its start a server answers before it has read who may do what, and then
// refuses everything. What could not be sent, as nobody listened at the address, is
// repeated for a few seconds.
type starting struct {
	next http.RoundTripper
	// interval is startInterval if zero.
	interval time.Duration
}

// RoundTrip implements http.RoundTripper.
func (s *starting) RoundTrip(request *http.Request) (*http.Response, error) {
	interval := s.interval
	if interval == 0 {
		interval = startInterval
	}
	for attempt := 1; ; attempt++ {
		response, err := s.next.RoundTrip(request)
		again, readErr := again(response, err, attempt)
		if readErr != nil {
			return nil, readErr
		}
		if !again {
			return response, err
		}
		repeated, repeatErr := repeat(request)
		if repeatErr != nil {
			return nil, errors.Join(err, repeatErr)
		}
		if repeated == nil {
			return response, err
		}
		select {
		case <-request.Context().Done():
			return response, err // why it was refused tells more than that time is over
		case <-time.After(interval):
		}
		request = repeated
	}
}

// again tells whether a request is to be repeated after an attempt, the first of
// which is 1. The answer can be read again; the error is that it cannot.
func again(response *http.Response, err error, attempt int) (bool, error) {
	switch {
	case err != nil:
		return attempt < restartAttempts && errors.Is(err, syscall.ECONNREFUSED), nil
	case response.StatusCode != http.StatusForbidden || attempt >= startAttempts:
		return false, nil
	default:
		return refused(response)
	}
}

// refused tells whether an answer is that of a server that does not know the
// administrator. It can be read again.
func refused(response *http.Response) (bool, error) {
	content, err := io.ReadAll(io.LimitReader(response.Body, maxRefusal))
	_ = response.Body.Close() // it was only read
	response.Body = io.NopCloser(bytes.NewReader(content))
	// Admission refuses for good, and does not begin with who asks.
	return bytes.Contains(content, []byte(administrator)), err
}

// repeat is the same request once more; nil if its body cannot be sent again.
func repeat(request *http.Request) (*http.Request, error) {
	repeated := request.Clone(request.Context())
	if request.Body == nil || request.Body == http.NoBody {
		return repeated, nil
	}
	if request.GetBody == nil {
		return nil, nil
	}
	body, err := request.GetBody()
	repeated.Body = body
	return repeated, err
}

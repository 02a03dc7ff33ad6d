package leader

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/rest"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
)

// line is the way to an API server, which can be cut. Nothing that is sent then is
// answered.
type line struct {
	api  *api
	slow time.Duration

	mu  sync.Mutex
	cut bool
	// asked is when the lease was last read, renewed the same of when it was last
	// written.
	asked, renewed time.Time
}

func (l *line) set(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
}

// RoundTrip implements http.RoundTripper.
func (l *line) RoundTrip(request *http.Request) (*http.Response, error) {
	began := time.Now()
	l.mu.Lock()
	cut := l.cut
	l.mu.Unlock()
	ctx := request.Context()
	if cut {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-time.After(l.slow):
	}
	recorder := httptest.NewRecorder()
	l.api.ServeHTTP(recorder, request)
	l.mu.Lock()
	defer l.mu.Unlock()
	if request.Method == http.MethodGet {
		l.asked = began
	} else {
		l.renewed = l.asked
	}
	return recorder.Result(), nil
}

// TestTerm cuts a leader off. It must stop before another master may lead, and go on
// if it is back earlier than that.
func TestTerm(t *testing.T) {
	const begin = 21 * time.Second
	for _, test := range []struct {
		name string
		// slow is how long the API server takes to answer, cut how long it does not.
		slow, cut time.Duration
		stops     bool
	}{
		{"for ever", 0, time.Minute, true},
		{"while the server is slow", 700 * time.Millisecond, time.Minute, true},
		{"while the server is very slow", 1900 * time.Millisecond, time.Minute, true},
		{"for a moment", 0, 2 * time.Second, false},
		{"until the last attempt", 0, 4500 * time.Millisecond, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &line{api: &api{objects: map[string]map[string]any{}}, slow: test.slow}
				client, err := kube.New(&rest.Config{Host: "http://192.0.2.1", Transport: l})
				if err != nil {
					t.Fatal(err)
				}
				var stopped time.Time
				e := &Elector{
					Identity: "node-1", Log: slog.New(slog.DiscardHandler),
					Client: func() (*kube.Client, error) { return client, nil },
					Lead: func(ctx context.Context) {
						<-ctx.Done()
						stopped = time.Now()
					},
				}
				ctx, stop := context.WithCancel(t.Context())
				var running sync.WaitGroup
				running.Go(func() { _ = e.Run(ctx) })
				time.Sleep(begin)
				l.set(true)
				time.Sleep(test.cut)
				l.set(false)
				synctest.Wait()
				switch led := stopped.Sub(l.renewed); {
				case stopped.IsZero() == test.stops:
					t.Errorf("it stops: %v, want %v", !stopped.IsZero(), test.stops)
				case test.stops && (led <= 0 || led > usual.renew):
					t.Errorf("it led for %s after it began to renew the lease, want at most %s", led, usual.renew)
				}
				stop()
				running.Wait()
			})
		})
	}
}

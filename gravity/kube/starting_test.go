package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestRestarting wants a request to wait for a server that is about to listen, and
// not for ever.
func TestRestarting(t *testing.T) {
	for _, test := range []struct {
		refused, attempts int
		err               error
		want              bool
	}{
		{0, 1, syscall.ECONNREFUSED, true},
		{2, 3, syscall.ECONNREFUSED, true},
		{1000, restartAttempts, syscall.ECONNREFUSED, false},
		{1000, 1, syscall.ECONNRESET, false}, // it may have been done
	} {
		attempts := 0
		client := http.Client{Transport: &starting{interval: time.Millisecond, next: roundTripper(func(r *http.Request) (*http.Response, error) {
			if body, err := io.ReadAll(r.Body); err != nil || string(body) != "sent" {
				t.Errorf("the request has %q, %v", body, err)
			}
			if attempts++; attempts <= test.refused {
				return nil, &net.OpError{Op: "dial", Err: test.err}
			}
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
		})}}
		response, err := client.Post("http://127.0.0.1/", "text/plain", strings.NewReader("sent"))
		if err == nil {
			response.Body.Close()
		}
		if (err == nil) != test.want || err != nil && !errors.Is(err, test.err) || attempts != test.attempts {
			t.Errorf("%v %d times: %v after %d attempts, want %d", test.err, test.refused, err, attempts, test.attempts)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (r roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }

// refusals are what API servers answer; a starting one says the first.
var refusals = map[string]string{
	"starting":  `{"kind":"Status","reason":"Forbidden","message":"secrets \"a\" is forbidden: User \"kubernetes-admin\" cannot get resource \"secrets\" in API group \"\" in the namespace \"b\""}`,
	"kubelet":   `{"kind":"Status","reason":"Forbidden","message":"nodes \"a\" is forbidden: User \"system:node:b\" cannot get resource \"nodes\""}`,
	"admission": `{"kind":"Status","reason":"Forbidden","message":"pods \"a\" is forbidden: violates PodSecurity \"baseline:latest\""}`,
}

func TestStarting(t *testing.T) {
	for _, test := range []struct {
		name, refusal string
		times         int32
		requests      int32
		status        int
	}{
		{"ready", "starting", 0, 1, http.StatusOK},
		{"ready soon", "starting", 3, 4, http.StatusOK},
		{"never", "starting", 1000, startAttempts, http.StatusForbidden},
		{"another user", "kubelet", 1000, 1, http.StatusForbidden},
		{"not allowed to anybody", "admission", 1000, 1, http.StatusForbidden},
	} {
		t.Run(test.name, func(t *testing.T) {
			var requests atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if body, err := io.ReadAll(r.Body); err != nil || string(body) != "sent" {
					t.Errorf("the request has %q, %v", body, err)
				}
				if requests.Add(1) <= test.times {
					w.WriteHeader(http.StatusForbidden)
					fmt.Fprint(w, refusals[test.refusal])
					return
				}
				fmt.Fprint(w, "done")
			}))
			defer server.Close()
			client := http.Client{Transport: &starting{next: server.Client().Transport, interval: time.Millisecond}}
			response, err := client.Post(server.URL, "text/plain", strings.NewReader("sent"))
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			want := "done"
			if test.status != http.StatusOK {
				want = refusals[test.refusal]
			}
			if err != nil || response.StatusCode != test.status || string(body) != want {
				t.Errorf("the answer is %s: %s, %v", response.Status, body, err)
			}
			if requests.Load() != test.requests {
				t.Errorf("%d requests, want %d", requests.Load(), test.requests)
			}
		})
	}
}

// TestStartingEnds gives the refusal when the time of the request is over.
func TestStartingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://master/", nil)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		s := &starting{next: refuses{}, interval: time.Minute}
		response, err := s.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if took := time.Since(began); response.StatusCode != http.StatusForbidden || took != 90*time.Second {
			t.Errorf("%s after %s", response.Status, took)
		}
	})
}

// refuses refuses everything, as a starting server does.
type refuses struct{}

func (refuses) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{
		Status: "403 Forbidden", StatusCode: http.StatusForbidden, Body: io.NopCloser(strings.NewReader(refusals["starting"])),
	}, nil
}

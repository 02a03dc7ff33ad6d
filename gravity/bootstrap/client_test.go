package bootstrap

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// answering is a peer that counts requests and answers each with a status; zero
// keeps who asks waiting.
type answering struct {
	asked atomic.Int32
	peer  string
}

func newAnswering(t *testing.T, status int, answer any) *answering {
	t.Helper()
	a := &answering{}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.asked.Add(1)
		if status == 0 {
			_, _ = io.Copy(io.Discard, r.Body) // who goes away is noticed after it only
			<-r.Context().Done()
			return
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(server.Close)
	a.peer = server.Listener.Addr().String()
	return a
}

func askingAll(t *testing.T, peers ...string) *Client {
	t.Helper()
	client := NewClient(peers, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}) //nolint:gosec // the test is about answers
	t.Cleanup(client.Close)
	return client
}

// TestPeers wants a peer that cannot help to be followed by the next one, and to be
// asked last after that; what is no fault of the peer is an answer.
func TestPeers(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		answer failure
		fails  string // empty if the next peer is asked
		later  bool
	}{
		"unable":   {status: http.StatusInternalServerError, answer: failure{Error: "no container", Wait: true}},
		"flooded":  {status: http.StatusTooManyRequests, answer: failure{Error: "too many", Wait: true, Busy: true}},
		"no words": {status: http.StatusBadGateway},
		"hangs":    {},
		"waits":    {status: http.StatusServiceUnavailable, answer: failure{Error: "not ready", Wait: true}, fails: "not ready", later: true},
		"refuses":  {status: http.StatusConflict, answer: failure{Error: "no"}, fails: "no"},
	} {
		t.Run(name, func(t *testing.T) {
			first, second := newAnswering(t, test.status, &test.answer), newAnswering(t, http.StatusOK, &View{Hosts: []string{"docker.io"}})
			client := askingAll(t, first.peer, second.peer)
			for range 2 {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				view, err := client.View(ctx)
				cancel()
				if test.fails != "" {
					wants(t, err, first.peer+": "+test.fails)
					if Later(err) != test.later || second.asked.Load() > 0 {
						t.Errorf("%v is an error of later: %t; the second peer was asked %d times", err, Later(err), second.asked.Load())
					}
					continue
				}
				if err != nil || len(view.Hosts) != 1 {
					t.Errorf("the answer is %v, %v", view, err)
				}
			}
			if test.fails == "" && (first.asked.Load() != 1 || second.asked.Load() != 2) {
				t.Errorf("the peers were asked %d and %d times", first.asked.Load(), second.asked.Load())
			}
		})
	}
}

// TestNoPeer tells what every peer said, and whether it is worth while to come again.
func TestNoPeer(t *testing.T) {
	unable := newAnswering(t, http.StatusInternalServerError, &failure{Error: "no container", Wait: true})
	flooded := newAnswering(t, http.StatusTooManyRequests, &failure{Error: "too many", Wait: true, Busy: true})
	const dead, hint = "127.0.0.1:1", "name the address of a master"
	for _, test := range []struct {
		peers []string
		wants []string
		hint  bool
		code  int
	}{
		{[]string{dead, unable.peer}, []string{dead + " does not answer", unable.peer + ": no container"}, false, cli.ExitFailed},
		{[]string{dead, flooded.peer}, []string{flooded.peer + ": too many"}, false, cli.ExitBusy},
		{[]string{dead}, []string{dead + " does not answer"}, true, cli.ExitFailed},
	} {
		_, err := askingAll(t, test.peers...).View(t.Context())
		for _, want := range test.wants {
			wants(t, err, want)
		}
		if hints := strings.Join(cli.Hints(err), ""); !Later(err) || strings.Contains(hints, hint) != test.hint || cli.ExitCode(err) != test.code {
			t.Errorf("%v: later %t, exit code %d, hints %q", err, Later(err), cli.ExitCode(err), hints)
		}
	}
}

// TestHooksTakeTheirTime lets a hook take more than a peer's part of the time.
func TestHooksTakeTheirTime(t *testing.T) {
	slow := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(2 * time.Second)
		fmt.Fprint(w, "{}")
	}))
	defer slow.Close()
	other := newAnswering(t, http.StatusOK, struct{}{})
	client := askingAll(t, slow.Listener.Addr().String(), other.peer)
	if err := client.StepWithin(t.Context(), 3900*time.Millisecond, StepPreHook, named(2), false, nil); err != nil || other.asked.Load() > 0 {
		t.Errorf("%v; another peer was asked %d times", err, other.asked.Load())
	}
}

// TestFailures counts only tokens that are not good, and tells who comes too often to
// come again.
func TestFailures(t *testing.T) {
	for name, test := range map[string]struct {
		err     error
		flooded bool
	}{
		"a wrong token": {refuse(http.StatusUnauthorized, errors.New("wrong")), true},
		"busy":          {refuse(http.StatusConflict, cli.Busy(errors.New("another joins"))), false},
		"not ready":     {errors.New("the API server does not answer"), false},
	} {
		t.Run(name, func(t *testing.T) {
			s := &Server{log: slog.New(slog.DiscardHandler), limit: newLimiter()}
			server := httptest.NewTLSServer(handle(s, func(*http.Request, *struct{}) (any, error) { return nil, test.err }))
			defer server.Close()
			client := askingAll(t, server.Listener.Addr().String())
			var err error
			for range maxFailures + 1 {
				err = client.call(t.Context(), http.MethodPost, pathJoin, struct{}{}, &struct{}{})
			}
			want := test.err.Error()
			if test.flooded {
				want = "too many attempts, wait a minute"
			}
			wants(t, err, want)
			if test.flooded && (!Later(err) || cli.ExitCode(err) != cli.ExitBusy) {
				t.Errorf("%v has the exit code %d", err, cli.ExitCode(err))
			}
		})
	}
}

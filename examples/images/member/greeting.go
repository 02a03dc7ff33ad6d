package member

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
)

// greeting is what a member says of itself to the others.
type greeting struct {
	Name   string            `json:"name"`
	Number string            `json:"number"`
	Data   bool              `json:"data"`             // etcd has data
	Agreed map[string]string `json:"agreed,omitempty"` // founding that it takes part in
}

// greet answers the others as long as the member runs. The function that it
// returns ends that.
func (m *Member) greet(ctx context.Context) (stop func(), err error) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.HandleFunc("GET /greeting", func(w http.ResponseWriter, _ *http.Request) {
		own, err := m.greeting()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(own)
	})
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", net.JoinHostPort(m.Listen, greetingPort))
	if err != nil {
		return nil, fmt.Errorf("answer the other members: %w", err)
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: m.Patience, ReadTimeout: m.Patience, WriteTimeout: m.Patience}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			m.Log.Error("the other members get no answers", "error", err)
		}
	}()
	return func() {
		_ = server.Close()
		<-done
	}, nil
}

func (m *Member) greeting() (greeting, error) {
	own := greeting{Name: m.self.Name, Number: m.volume.number}
	data, err := m.volume.identity()
	if err != nil {
		return greeting{}, err
	}
	own.Data = data != nil
	own.Agreed, err = m.volume.agreement()
	return own, err
}

// greetings asks all others; it is an error that names one if not all answer.
func (m *Member) greetings(ctx context.Context) ([]greeting, error) {
	ctx, cancel := context.WithTimeout(ctx, m.Patience)
	defer cancel()
	found := make([]greeting, len(m.others))
	failed := make([]error, len(m.others))
	done := make(chan struct{}, len(m.others))
	for i, peer := range m.others {
		go func() {
			defer func() { done <- struct{}{} }()
			found[i], failed[i] = askGreeting(ctx, peer)
		}()
	}
	for range m.others {
		<-done
	}
	for i, err := range failed {
		if err != nil {
			// Not err itself, which is another one every time.
			return nil, fmt.Errorf("a new cluster needs all members, and %s does not answer", m.others[i].Name)
		}
	}
	return found, nil
}

var greetingClient = &http.Client{
	Transport: &http.Transport{DisableKeepAlives: true},
}

func askGreeting(ctx context.Context, peer Peer) (greeting, error) {
	var said greeting
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(peer.Host, greetingPort)+"/greeting", nil)
	if err != nil {
		return said, err
	}
	response, err := greetingClient.Do(request)
	if err != nil {
		return said, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return said, fmt.Errorf("%s answers %s", peer.Name, response.Status)
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 64<<10)).Decode(&said); err != nil {
		return said, err
	}
	if said.Name != peer.Name || said.Number == "" {
		return said, fmt.Errorf("%s answers as %q", peer.Name, said.Name)
	}
	return said, nil
}

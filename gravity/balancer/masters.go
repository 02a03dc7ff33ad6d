package balancer

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"os"
	"sync/atomic"
)

// maxMasters is how many addresses a list may have.
const maxMasters = 100

// ReadMasters reads the list of masters: a JSON list of addresses with ports.
func ReadMasters(file string) ([]string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var addresses []string
	if err := json.Unmarshal(content, &addresses); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(addresses) == 0 || len(addresses) > maxMasters {
		return nil, fmt.Errorf("%s: %d addresses", file, len(addresses))
	}
	for _, address := range addresses {
		if _, err := netip.ParseAddrPort(address); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return addresses, nil
}

// ErrGone is the error of an upstream that takes no connection: its program or its
// machine is gone, or the way to it.
var ErrGone = errors.New("no connection")

// probe asks API servers for their readiness. Nothing that they answer is
// believed but that they serve, so their certificates do not matter.
var probe = &http.Client{
	Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12},
		DisableKeepAlives: true,
	},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// CheckReady tells whether the API server at an address is ready. One that does
// not know strangers (401) counts as ready. One that forbids them to ask (403) has
// just started and not read yet who may do what: it would refuse everything else,
// too. Afterwards everybody may ask, as the kubelet does for its probes.
func CheckReady(ctx context.Context, address string) error {
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{ConnectDone: func(_, _ string, err error) {
		if err == nil {
			connected.Store(true)
		}
	}})
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := probe.Do(request)
	if err != nil && !connected.Load() {
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<16))
	if response.StatusCode == http.StatusForbidden || response.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("it answers %s", response.Status)
	}
	return nil
}

// CheckListens tells whether something listens at an address.
func CheckListens(ctx context.Context, address string) error {
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	return connection.Close()
}

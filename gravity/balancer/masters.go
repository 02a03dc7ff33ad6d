package balancer

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
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
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := probe.Do(request)
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
		return err
	}
	return connection.Close()
}

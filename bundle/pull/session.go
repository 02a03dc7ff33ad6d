package pull

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// stall is how long a registry may be silent within a transfer.
const stall = time.Minute

// errStalled says that a transfer has stopped.
var errStalled = fmt.Errorf("nothing came for %s", stall)

// hosts has the connections of one call of Pull, and the sessions with
// repositories.
type hosts struct {
	secure, insecure http.RoundTripper
	owned            []*http.Transport
	keychain         authn.Keychain
	mirrors          map[string][]string
	hosts            []string
	retry            Retry

	lock     sync.Mutex
	sessions map[string]*session
	// plain are the hosts that were found to speak HTTP.
	plain map[string]bool
}

func newHosts(options Options) *hosts {
	h := &hosts{
		secure: options.Transport, insecure: options.Transport, keychain: options.Keychain, mirrors: options.Mirrors,
		hosts: options.Insecure, retry: options.Retry, sessions: map[string]*session{}, plain: map[string]bool{},
	}
	if options.Transport == nil {
		secure := &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, DisableCompression: true,
			MaxIdleConnsPerHost: (1 + questionsPerTransfer) * options.Parallel, TLSHandshakeTimeout: 30 * time.Second,
			ResponseHeaderTimeout: stall, IdleConnTimeout: stall,
		}
		insecure := secure.Clone()
		insecure.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // the user asked for it by the host's name
		h.secure, h.insecure, h.owned = secure, insecure, []*http.Transport{secure, insecure}
	}
	return h
}

func (h *hosts) close() {
	for _, owned := range h.owned {
		owned.CloseIdleConnections()
	}
}

// repository returns the image of a reference.
func (h *hosts) repository(reference name.Reference) (*remote, error) {
	repository := reference.Context()
	r := &remote{hosts: h, reference: reference}
	for _, mirror := range h.mirrors[repository.RegistryStr()] {
		s, err := h.session(strings.TrimSuffix(mirror, "/") + "/" + repository.RepositoryStr())
		if err != nil {
			return nil, fmt.Errorf("mirror %s: %w", mirror, err)
		}
		r.sessions = append(r.sessions, s)
	}
	s, err := h.session(repository.Name())
	if err != nil {
		return nil, err
	}
	r.sessions = append(r.sessions, s)
	return r, nil
}

// session returns the only session with a repository.
func (h *hosts) session(full string) (*session, error) {
	repository, err := name.NewRepository(full)
	if err != nil {
		return nil, err
	}
	h.lock.Lock()
	defer h.lock.Unlock()
	if known, ok := h.sessions[full]; ok {
		return known, nil
	}
	s := &session{hosts: h, repository: repository, base: h.secure}
	if slices.Contains(h.hosts, repository.RegistryStr()) || slices.Contains(h.hosts, "*") {
		s.base = h.insecure
		if s.repository, err = name.NewRepository(full, name.Insecure); err != nil {
			return nil, err
		}
	}
	h.sessions[full] = s
	return s, nil
}

// session sends requests to one repository. It begins without credentials and
// logs in when the registry refuses that.
type session struct {
	hosts      *hosts
	repository name.Repository
	base       http.RoundTripper

	lock   sync.Mutex
	client *http.Client // not nil when logged in
}

// send sends a request and returns the response if it is a good one.
func (s *session) send(ctx context.Context, method, path, accept string, wanted span) (*http.Response, error) {
	build := func() (*http.Request, error) {
		address := fmt.Sprintf("%s://%s/v2/%s/%s", s.currentScheme(), s.repository.RegistryStr(), s.repository.RepositoryStr(), path)
		request, err := http.NewRequestWithContext(ctx, method, address, http.NoBody)
		if err != nil {
			return nil, err
		}
		request.Header.Set("User-Agent", "gravity")
		if accept != "" {
			request.Header.Set("Accept", accept)
		}
		return wanted.of(request), nil
	}
	client, loggedIn := s.current()
	request, err := build()
	if err != nil {
		return nil, err
	}
	response, err := answer(client, request)
	if err != nil && !loggedIn && request.URL.Scheme == "https" && s.repository.Scheme() == "http" && s.downgrade(err) {
		if request, err = build(); err != nil {
			return nil, err
		}
		response, err = answer(client, request)
	}
	var refused *transport.Error
	if loggedIn || !errors.As(err, &refused) {
		return response, err
	}
	switch refused.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
	default:
		return response, err
	}
	client, loginErr := s.login(ctx, refused.StatusCode == http.StatusUnauthorized)
	if loginErr != nil {
		return nil, loginErr
	}
	if client == nil {
		return nil, err
	}
	if request, err = build(); err != nil {
		return nil, err
	}
	return answer(client, request)
}

// currentScheme is https, or http where it was found out that it must be.
func (s *session) currentScheme() string {
	s.hosts.lock.Lock()
	defer s.hosts.lock.Unlock()
	if s.hosts.plain[s.repository.RegistryStr()] && s.repository.Scheme() == "http" {
		return "http"
	}
	return "https"
}

func (s *session) current() (client *http.Client, loggedIn bool) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.client != nil {
		return s.client, true
	}
	return &http.Client{Transport: s.base}, false
}

// downgrade goes over to HTTP if that is what the registry speaks.
func (s *session) downgrade(err error) bool {
	// What answers in plain text may answer anything before it has read a request.
	if text := err.Error(); !strings.Contains(text, "server gave HTTP response to HTTPS client") &&
		!strings.Contains(text, "first record does not look like a TLS handshake") {
		return false
	}
	s.hosts.lock.Lock()
	defer s.hosts.lock.Unlock()
	s.hosts.plain[s.repository.RegistryStr()] = true
	return true
}

// login returns a client that is logged in. It returns nil if there are no
// credentials and the registry did not demand to log in.
func (s *session) login(ctx context.Context, demanded bool) (*http.Client, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.client != nil {
		return s.client, nil
	}
	credentials, err := authn.Resolve(ctx, s.hosts.keychain, s.repository)
	if err != nil {
		return nil, fmt.Errorf("find credentials of %s: %w", s.repository.RegistryStr(), err)
	}
	if credentials == authn.Anonymous && !demanded {
		return nil, nil //nolint:nilnil // nothing would change
	}
	wrapped, err := transport.NewWithContext(ctx, s.repository.Registry, credentials, s.base, []string{s.repository.Scope(transport.PullScope)})
	if err != nil {
		err = fmt.Errorf("log in to %s: %w", s.repository.RegistryStr(), err)
		var refused *transport.Error
		if errors.As(err, &refused) && !retryable(refused.StatusCode) {
			return nil, err
		}
		return nil, ofConnection(err)
	}
	s.client = &http.Client{Transport: wrapped}
	return s.client, nil
}

// body ends a transfer that is silent for too long, and marks what is wrong
// with the connection as temporary.
type body struct {
	io.ReadCloser
	timer   *time.Timer
	stalled chan struct{}
}

func newBody(inner io.ReadCloser) *body {
	b := &body{ReadCloser: inner, stalled: make(chan struct{})}
	b.timer = time.AfterFunc(stall, func() {
		close(b.stalled)
		_ = inner.Close()
	})
	return b
}

// Read reads the next bytes.
func (b *body) Read(content []byte) (int, error) {
	n, err := b.ReadCloser.Read(content)
	if err == nil {
		if b.timer.Stop() {
			b.timer.Reset(stall)
		}
		return n, nil
	}
	if err == io.EOF {
		return n, err
	}
	select {
	case <-b.stalled:
		err = errStalled
	default:
	}
	return n, &temporary{err: err}
}

// Close ends the transfer.
func (b *body) Close() error {
	b.timer.Stop()
	return b.ReadCloser.Close()
}

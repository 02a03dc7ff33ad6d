package hub

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/pull"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// patience is how long a registry may be silent before it answers.
const patience = 5 * time.Minute

// Options say how registries are reached. The zero value is ready for use.
type Options struct {
	// Keychain has the credentials; nil means those of docker, with its helpers.
	Keychain authn.Keychain
	// Insecure has the hosts of registries that may speak HTTP, or have
	// certificates that nobody vouches for; "*" means all hosts.
	Insecure []string
	// Parallel is how many transfers run at once; zero means
	// pull.DefaultParallel.
	Parallel int
	// Retry says when failed requests are repeated.
	Retry pull.Retry
	// StateDir is the folder of the cache, which keeps what was pulled, and where
	// interrupted uploads are. Only Push may go without.
	StateDir string
	// Progress is told how many bytes there are to move, and how many are moved. It
	// is called by one goroutine at a time and must return at once; nil for none.
	Progress func(done, total int64)
}

// Connection reaches registries. Its methods may be called by several goroutines
// at once. The caller closes it.
type Connection struct {
	options Options
	secure  *http.Transport
	// insecure takes any certificate.
	insecure *http.Transport

	lock  sync.Mutex
	moved struct{ done, total int64 }
}

// Connect prepares a connection; nothing is sent yet.
func Connect(options Options) *Connection {
	if options.Keychain == nil {
		options.Keychain = authn.DefaultKeychain
	}
	if options.Parallel <= 0 {
		options.Parallel = pull.DefaultParallel
	}
	secure := &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, DisableCompression: true,
		MaxIdleConnsPerHost: 2 * options.Parallel, TLSHandshakeTimeout: 30 * time.Second,
		ResponseHeaderTimeout: patience, IdleConnTimeout: time.Minute,
	}
	insecure := secure.Clone()
	insecure.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // the user asked for it by the host's name
	return &Connection{options: options, secure: secure, insecure: insecure}
}

// Close closes idle connections.
func (c *Connection) Close() {
	c.secure.CloseIdleConnections()
	c.insecure.CloseIdleConnections()
}

func (c *Connection) isInsecure(host string) bool {
	return slices.Contains(c.options.Insecure, host) || slices.Contains(c.options.Insecure, "*")
}

// progress adds to what is moved, and to what is to be moved.
func (c *Connection) progress(done, total int64) {
	if c.options.Progress == nil {
		return
	}
	c.lock.Lock()
	defer c.lock.Unlock()
	c.moved.done += done
	c.moved.total += total
	c.options.Progress(c.moved.done, c.moved.total)
}

// client speaks with one registry, logged in.
type client struct {
	connection *Connection
	registry   name.Registry
	http       *http.Client
}

// client logs in to a registry for some scopes.
func (c *Connection) client(ctx context.Context, registry name.Registry, resource authn.Resource, scopes ...string) (*client, error) {
	credentials, err := authn.Resolve(ctx, c.options.Keychain, resource)
	if err != nil {
		return nil, fmt.Errorf("find credentials of %s: %w", registry.RegistryStr(), err)
	}
	return c.clientWith(ctx, registry, credentials, scopes...)
}

func (c *Connection) clientWith(ctx context.Context, registry name.Registry, credentials authn.Authenticator, scopes ...string) (*client, error) {
	base := c.secure
	if c.isInsecure(registry.RegistryStr()) {
		base = c.insecure
	}
	made := &client{connection: c, registry: registry}
	err := c.options.Retry.Do(ctx, func() error {
		wrapped, err := transport.NewWithContext(ctx, registry, credentials, base, scopes)
		if err != nil {
			return pull.OfConnection(fmt.Errorf("log in to %s: %w", registry.RegistryStr(), err))
		}
		made.http = &http.Client{Transport: wrapped, CheckRedirect: stay}
		return nil
	})
	if err != nil {
		return nil, explain(err, registry)
	}
	return made, nil
}

// stay follows the redirections of requests that only ask. Others would send the
// bundle, or delete something, wherever the registry says.
func stay(request *http.Request, via []*http.Request) error {
	if len(via) > 5 || request.Method != http.MethodGet && request.Method != http.MethodHead {
		return http.ErrUseLastResponse
	}
	if via[0].URL.Scheme == "https" && request.URL.Scheme != "https" {
		return errors.New("the registry redirects from HTTPS to HTTP")
	}
	return nil
}

// url is an address below /v2/.
func (c *client) url(format string, values ...any) *url.URL {
	return &url.URL{Scheme: c.registry.Scheme(), Host: c.registry.RegistryStr(), Path: "/v2/" + fmt.Sprintf(format, values...)}
}

// sameHost reads an address that the registry gave, which must be its own.
func (c *client) sameHost(response *http.Response, text string) (*url.URL, error) {
	given, err := response.Request.URL.Parse(text)
	if err != nil || text == "" {
		return nil, fmt.Errorf("the registry sends requests to %.200q, which is no address", text)
	}
	if given.Host != response.Request.URL.Host || given.User != nil {
		return nil, fmt.Errorf("the registry %s sends requests to another host: %s", c.registry.RegistryStr(), given.Host)
	}
	// Registries behind a proxy may think that they speak HTTP.
	given.Scheme = response.Request.URL.Scheme
	return given, nil
}

// call is one request.
type call struct {
	method  string
	address *url.URL
	header  map[string]string
	body    io.Reader
	length  int64
}

// once sends a request once. A bad answer is an error, of which the connection or
// the status says whether it may be gone at the next attempt. The caller closes
// the body of a good one.
func (c *client) once(ctx context.Context, call call, wanted ...int) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, call.method, call.address.String(), call.body)
	if err != nil {
		return nil, err
	}
	request.ContentLength = call.length
	request.Header.Set("User-Agent", "gravity")
	for key, value := range call.header {
		request.Header.Set(key, value)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, pull.OfConnection(err)
	}
	if err := pull.OfAnswer(response, wanted...); err != nil {
		return nil, errors.Join(err, response.Body.Close())
	}
	return response, nil
}

// do sends a request that has no body, or a small one, until it succeeds, and
// returns what came, up to a limit in bytes.
func (c *client) do(ctx context.Context, call call, content []byte, limit int64, wanted ...int) (*http.Response, []byte, error) {
	var response *http.Response
	var answer []byte
	err := c.connection.options.Retry.Do(ctx, func() error {
		call.body, call.length = http.NoBody, int64(len(content))
		if len(content) > 0 {
			call.body = bytes.NewReader(content)
		}
		var err error
		if response, err = c.once(ctx, call, wanted...); err != nil {
			return err
		}
		defer response.Body.Close()
		if answer, err = io.ReadAll(io.LimitReader(response.Body, limit+1)); err != nil {
			return pull.OfConnection(err)
		}
		if int64(len(answer)) > limit {
			return fmt.Errorf("%s %s: the answer has more than %d bytes", call.method, call.address.Path, limit)
		}
		return nil
	})
	return response, answer, err
}

// status is that of an answer that was refused, or 0.
func status(err error) int {
	if refused, ok := errors.AsType[*transport.Error](err); ok {
		return refused.StatusCode
	}
	return 0
}

// explain adds what to do about an answer.
func explain(err error, registry name.Registry) error {
	host := registry.RegistryStr()
	if err == nil || len(cli.Hints(err)) > 0 {
		return err
	}
	switch status(err) {
	case http.StatusUnauthorized, http.StatusForbidden:
		return cli.WithHint(err, "log in as somebody who may do this: 'tele login %s'", host)
	case http.StatusRequestEntityTooLarge:
		return cli.WithHint(err, "%s, or a proxy before it, limits the size of requests: raise that limit", host)
	case http.StatusInsufficientStorage:
		return cli.WithHint(err, "%s has no more space", host)
	}
	if strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		return cli.WithHint(err, "add --insecure=%s if it is meant to speak HTTP", host)
	}
	if certificate := (*tls.CertificateVerificationError)(nil); errors.As(err, &certificate) {
		return cli.WithHint(err, "install the certificate of its authority, or add --insecure=%s", host)
	}
	return err
}

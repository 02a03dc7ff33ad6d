package bootstrap

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/store"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/token"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/version"
)

const (
	// requestTimeout bounds requests but those for steps that take longer, and
	// packagesTimeout those for lists of packages, which a master reads its store for.
	requestTimeout  = time.Minute
	packagesTimeout = 3 * time.Minute
	// maxSkew is how far a machine's clock may be from that of a master.
	maxSkew = 2 * time.Minute
	// maxPackages bounds the list of packages, in bytes.
	maxPackages = 64 << 20
)

// Client asks the masters of a cluster. Several goroutines may use it.
type Client struct {
	http *http.Client

	mu sync.Mutex
	// peers are HOST:PORT; those that could not help come last.
	peers []string
}

// serverName is what every master is called by in its certificate, so that it
// does not matter how a master is reached: by another node, or by a balancer.
const serverName = "leader.telekube.local"

// NewClient returns a client that shows a node's certificate, or none.
func NewClient(peers []string, config *tls.Config) *Client {
	config.ServerName = serverName
	return &Client{peers: slices.Clone(peers), http: &http.Client{Transport: &http.Transport{
		TLSClientConfig: config, TLSHandshakeTimeout: 10 * time.Second, MaxIdleConnsPerHost: 1, IdleConnTimeout: 30 * time.Second,
		DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
	}}}
}

// Close ends the connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// order is the order in which peers are asked.
func (c *Client) order() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.peers)
}

// demote lets a peer be asked after the others from now on.
func (c *Client) demote(peer string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.peers, peer); i >= 0 {
		c.peers = append(slices.Delete(c.peers, i, i+1), peer)
	}
}

// waitError is the error of a request that can succeed later.
type waitError struct{ error }

func (e waitError) Unwrap() error { return e.error }

// Later tells whether the error is that of a request that can succeed when it is
// made again.
func Later(err error) bool {
	_, later := errors.AsType[waitError](err)
	return later
}

// call asks one peer after the other until one answers; what it answers counts,
// unless it is that this peer cannot do it now.
func (c *Client) call(ctx context.Context, method, path string, request, answer any) error {
	return c.callEach(ctx, part, method, path, request, answer)
}

// limit bounds how long a peer may take, by how many are still to be asked.
type limit func(ctx context.Context, peers int) (context.Context, context.CancelFunc)

// part gives a peer its part of the time that is left, so that one that hangs leaves
// some to the others.
func part(ctx context.Context, peers int) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok || peers == 1 {
		return context.WithCancel(ctx)
	}
	share := time.Until(deadline) / time.Duration(peers)
	return context.WithTimeoutCause(ctx, share, fmt.Errorf("no answer in %s", share.Round(time.Second)))
}

// whole lets a peer take all the time that is left.
func whole(ctx context.Context, _ int) (context.Context, context.CancelFunc) {
	return context.WithCancel(ctx)
}

func (c *Client) callEach(ctx context.Context, limit limit, method, path string, request, answer any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	var failed []error
	answered := false
	peers := c.order()
	for i, peer := range peers {
		limited, cancel := limit(ctx, len(peers)-i)
		err := c.ask(limited, peer, method, path, body, answer)
		cancel()
		_, unreachable := errors.AsType[*unreachableError](err)
		_, unable := errors.AsType[*unableError](err)
		if !unreachable && !unable {
			return err
		}
		failed, answered = append(failed, err), answered || unable
		if ctx.Err() != nil {
			break
		}
		c.demote(peer)
	}
	err = errors.Join(failed...)
	if !answered {
		err = cli.WithHint(err, "name the address of a master, and open port %d for the new node", Port)
	}
	return waitError{err}
}

// removedError is what a master says to a node that was removed.
type removedError struct{ error }

func (e *removedError) Unwrap() error { return e.error }

func (*removedError) Is(target error) bool { return target == ErrRemoved }

// unreachableError is about a peer that does not answer.
type unreachableError struct {
	peer string
	err  error
}

func (e *unreachableError) Error() string {
	return fmt.Sprintf("%s does not answer: %v", e.peer, e.err)
}

func (e *unreachableError) Unwrap() error { return e.err }

// unableError is the answer of a peer that cannot do now what another one may.
type unableError struct{ error }

func (e *unableError) Unwrap() error { return e.error }

func (c *Client) ask(ctx context.Context, peer, method, path string, body []byte, answer any) error {
	request, err := http.NewRequestWithContext(ctx, method, "https://"+peer+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		if unknown, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
			return cli.WithHint(fmt.Errorf("%s does not belong to the cluster: %w", peer, unknown.Err), "check the address")
		}
		return &unreachableError{peer, err}
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		if err := json.NewDecoder(io.LimitReader(response.Body, maxPackages)).Decode(answer); err != nil {
			return &unreachableError{peer, fmt.Errorf("its answer cannot be read: %w", err)}
		}
		return nil
	}
	var refused failure
	if err := json.NewDecoder(io.LimitReader(response.Body, maxBody)).Decode(&refused); err != nil || refused.Error == "" {
		return &unreachableError{peer, fmt.Errorf("it answers %s", response.Status)}
	}
	err = fmt.Errorf("%s: %s", peer, refused.Error)
	if len(refused.Hints) > 0 {
		err = &cli.Error{Err: err, Hints: refused.Hints}
	}
	if refused.Removed {
		return &removedError{err}
	}
	if refused.Busy {
		err = cli.Busy(err)
	}
	switch {
	case !refused.Wait:
		return err
	case response.StatusCode == http.StatusServiceUnavailable:
		return waitError{err} // for something that all masters wait for
	default:
		return &unableError{err}
	}
}

// Trust finds out which authority the cluster of a token has, from the first peer
// that answers, and that this machine's clock is right: PEM. The token is not
// shown to anybody.
func Trust(ctx context.Context, peers []string, given token.Token) ([]byte, error) {
	key, err := given.Key()
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, 32)
	_, _ = rand.Read(nonce) // it never fails
	// Nothing is believed but what the proof vouches for.
	client := NewClient(peers, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}) //nolint:gosec // see above
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var answer authorityAnswer
	asked := time.Now()
	if err := client.call(ctx, http.MethodPost, pathAuthority, &authorityRequest{given.ID, nonce}, &answer); err != nil {
		return nil, err
	}
	if !token.CheckProof(key, answer.Proof, answer.parts(nonce)...) {
		return nil, cli.WithHint(errors.New("the join token is wrong, or who answers is not a master of its cluster"), tokenHint)
	}
	return answer.Authority, checkClock(asked, time.Now(), answer.Time)
}

// checkClock compares this machine's clock, before and after a question, with
// what a master's showed between.
func checkClock(before, after, master time.Time) error {
	var skew time.Duration
	switch {
	case master.Before(before):
		skew = before.Sub(master)
	case master.After(after):
		skew = after.Sub(master)
	}
	if skew.Abs() <= maxSkew {
		return nil
	}
	words := "ahead of"
	if skew < 0 {
		words = "behind"
	}
	return cli.WithHint(fmt.Errorf("the clock of this machine is %s %s that of the master", skew.Abs().Round(time.Second), words),
		"set it, or let it follow a time server, and try again")
}

// Join asks to become a node: it shows the token to masters that the authority
// vouches for. certificate is a request for one: PEM.
func Join(ctx context.Context, peers []string, authority []byte, given token.Token, request Request, certificate []byte) (*Answer, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		return nil, errors.New("the authority has no certificate")
	}
	client := NewClient(peers, &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13})
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var answer Answer
	err := client.call(ctx, http.MethodPost, pathJoin, &joinRequest{
		Request: request, Token: given.String(), Certificate: certificate, Version: version.Get().Version,
	}, &answer)
	if err != nil {
		return nil, err
	}
	return &answer, nil
}

// Step lets a master do a step and reads what it answers; nil for nothing.
func (c *Client) Step(ctx context.Context, step Step, request Request, master bool, answer any) error {
	if answer == nil {
		answer = &struct{}{}
	}
	path, body := pathStep+string(step), &stepRequest{request, master}
	switch step {
	case StepPreHook, StepPostHook:
		return c.callEach(ctx, whole, http.MethodPost, path, body, answer)
	case StepBackup, StepReplace, StepWithdraw: // etcd may need its time
	default:
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, requestTimeout)
		defer cancel()
	}
	return c.call(ctx, http.MethodPost, path, body, answer)
}

// StepWithin is Step, repeated for some time while it can succeed later.
func (c *Client) StepWithin(ctx context.Context, within time.Duration, step Step, request Request, master bool, answer any) error {
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("not done after %s", within))
	defer cancel()
	for {
		err := c.Step(ctx, step, request, master, answer)
		if !Later(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// Packages lists what is in the store of a master.
func (c *Client) Packages(ctx context.Context) ([]store.Image, error) {
	ctx, cancel := context.WithTimeout(ctx, packagesTimeout)
	defer cancel()
	var answer packagesAnswer
	err := c.call(ctx, http.MethodGet, pathPackages, nil, &answer)
	return answer.Images, err
}

// View asks what changes in the cluster.
func (c *Client) View(ctx context.Context) (*View, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var view View
	err := c.call(ctx, http.MethodGet, pathCluster, nil, &view)
	return &view, err
}

package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
)

// Remote executes phases through the agents of other nodes. Close it.
type Remote struct {
	files certificate.Files
	port  uint16

	mu      sync.Mutex
	clients map[netip.Addr]*Client
}

var _ operation.Remote = (*Remote)(nil)

// NewRemote returns an operation.Remote. Connections are made when needed.
func NewRemote(files certificate.Files) *Remote {
	return &Remote{files: files, port: Port, clients: map[netip.Addr]*Client{}}
}

// Close ends all connections.
func (r *Remote) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var err error
	for _, client := range r.clients {
		err = errors.Join(err, client.Close())
	}
	r.clients = map[netip.Addr]*Client{}
	return err
}

func (r *Remote) client(server operation.Server) (*Client, error) {
	address, err := netip.ParseAddr(server.AdvertiseIP)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if client := r.clients[address]; client != nil {
		return client, nil
	}
	client, err := Dial(r.files, netip.AddrPortFrom(address, r.port))
	if err == nil {
		r.clients[address] = client
	}
	return client, err
}

// Executor asks the node's agent for the executor of a phase.
func (r *Remote) Executor(ctx context.Context, server operation.Server, plan *operation.Plan, phase operation.Phase,
	log operation.Logger,
) (operation.Executor, error) {
	client, err := r.client(server)
	if err != nil {
		return nil, err
	}
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if _, err := client.Info(asking); err != nil {
		if _, ok := errors.AsType[*UnreachableError](err); ok {
			log.Warn("An agent is out of reach.", "node", server.Hostname, "error", err)
			return nil, fmt.Errorf("%w: %w", operation.ErrNoAgent, err)
		}
		return nil, err
	}
	executor := remoteExecutor{client, plan, phase.ID, log}
	described, err := executor.call(ctx, describe)
	if err != nil {
		return nil, err
	}
	switch {
	case described.PreCheck && described.PostCheck:
		return struct {
			remoteExecutor
			before
			after
		}{executor, before{executor}, after{executor}}, nil
	case described.PreCheck:
		return struct {
			remoteExecutor
			before
		}{executor, before{executor}}, nil
	case described.PostCheck:
		return struct {
			remoteExecutor
			after
		}{executor, after{executor}}, nil
	}
	return executor, nil
}

// remoteExecutor is an executor on another node.
type remoteExecutor struct {
	client  *Client
	plan    *operation.Plan
	phaseID string
	log     operation.Logger
}

func (e remoteExecutor) Done(ctx context.Context) (bool, error) {
	answer, err := e.call(ctx, done)
	if err != nil {
		return false, err
	}
	return answer.Done, nil
}

func (e remoteExecutor) Execute(ctx context.Context) error {
	_, err := e.call(ctx, execute)
	return err
}

func (e remoteExecutor) Rollback(ctx context.Context) error {
	_, err := e.call(ctx, rollback)
	return err
}

type before struct{ executor remoteExecutor }

func (b before) PreCheck(ctx context.Context) error {
	_, err := b.executor.call(ctx, preCheck)
	return err
}

type after struct{ executor remoteExecutor }

func (a after) PostCheck(ctx context.Context) error {
	_, err := a.executor.call(ctx, postCheck)
	return err
}

const (
	// maxStarts is how often a call is started: again after an agent has ended
	// in the middle of it.
	maxStarts = 3
	// lostTimeout is how long an agent may be out of reach during a call. It may
	// be that its machine starts anew.
	lostTimeout = 5 * time.Minute
	// cancelTimeout is how long a call may take to end when it is cancelled.
	cancelTimeout = time.Minute
	retryDelay    = 500 * time.Millisecond
)

// attempt is one call with all that it takes to come to its result.
type attempt struct {
	remoteExecutor
	request *call
	starts  int
	lost    time.Time
}

// call makes a call and returns when it has ended on the node, also if the
// connection is lost meanwhile. When ctx ends the call is cancelled there.
func (e remoteExecutor) call(ctx context.Context, m method) (*result, error) {
	a := &attempt{remoteExecutor: e, request: &call{ID: uuid.NewString(), Method: m, Plan: e.plan, PhaseID: e.phaseID}}
	if deadline, ok := ctx.Deadline(); ok {
		a.request.Timeout = max(time.Until(deadline), time.Second)
	}
	id := a.request.ID
	following, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	// It ends before the call returns.
	var cancelling sync.WaitGroup
	defer cancelling.Wait()
	over := make(chan struct{})
	defer close(over)
	cancelling.Go(func() {
		select {
		case <-over:
		case <-ctx.Done():
			e.cancel(following, id, over)
			stop()
		}
	})
	answer, err := a.follow(ctx, following)
	if err != nil {
		return nil, err
	}
	return answer, answer.err()
}

// cancel cancels a call until it is over, or for cancelTimeout.
func (e remoteExecutor) cancel(ctx context.Context, id string, over <-chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, cancelTimeout)
	defer cancel()
	for {
		_ = e.client.invoke(ctx, askTimeout, cancelMethod, &cancelRequest{ID: id}, &nothing{}) // it is tried again
		select {
		case <-over:
			return
		case <-ctx.Done():
			return
		case <-time.After(retryDelay):
		}
	}
}

// follow attaches to a call as often as needed.
func (a *attempt) follow(ctx, following context.Context) (*result, error) {
	for {
		answer, err := a.once(following)
		if err == nil {
			return answer, nil
		}
		switch code := status.Code(err); {
		case code == codes.NotFound && a.request.Attach:
			// The agent has ended, and the call with it.
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			if a.starts == maxStarts {
				return nil, fmt.Errorf("the agent at %s ended %d times in the middle of it", a.client.address, a.starts)
			}
			a.request.Attach, a.request.After, a.request.Plan = false, 0, a.plan
			continue
		case following.Err() != nil:
			return nil, fmt.Errorf("%w: the agent at %s does not tell whether it has ended", context.Cause(ctx), a.client.address)
		case code != codes.Unavailable && code != codes.Unknown && code != codes.Canceled && !errors.Is(err, io.EOF):
			return nil, a.client.explain(err)
		}
		if a.lost.IsZero() {
			a.lost = time.Now()
			a.log.Warn("The connection to the agent is lost; the phase goes on there.", "agent", a.client.address, "error", err)
		}
		if time.Since(a.lost) > lostTimeout {
			return nil, a.client.explain(err)
		}
		select {
		case <-following.Done():
		case <-time.After(retryDelay):
		}
	}
}

// once starts or attaches to the call and follows it while the connection lasts.
func (a *attempt) once(ctx context.Context) (*result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := a.client.connection.NewStream(ctx, &description.Streams[0], runMethod)
	if err != nil {
		return nil, err
	}
	if err := stream.SendMsg(a.request); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if err := stream.CloseSend(); err != nil {
		return nil, err
	}
	if !a.request.Attach {
		a.starts++
		// What follows, if the connection is lost, is only attaching.
		a.request = &call{ID: a.request.ID, Attach: true, Method: a.request.Method, PhaseID: a.phaseID, Timeout: a.request.Timeout}
	}
	for {
		received := new(event)
		if err := stream.RecvMsg(received); err != nil {
			return nil, err
		}
		a.lost = time.Time{}
		if received.Result != nil {
			return received.Result, nil
		}
		if received.Line != nil {
			a.request.After = received.Sequence
			a.tell(received.Line)
		}
	}
}

func (a *attempt) tell(told *line) {
	args := []any{"agent", a.client.address.Addr()}
	for _, attribute := range told.Attributes {
		args = append(args, attribute)
	}
	switch {
	case told.Level >= slog.LevelWarn:
		a.log.Warn(told.Message, args...)
	case told.Level >= slog.LevelInfo:
		a.log.Info(told.Message, args...)
	default:
		a.log.Debug(told.Message, args...)
	}
}

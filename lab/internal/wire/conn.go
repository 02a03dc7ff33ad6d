package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// ErrClosed says that the other side ended before it answered.
var ErrClosed = errors.New("the lab's supervisor ended before it answered")

// Conn is the client's end of a connection. Calls are made one at a time.
type Conn struct {
	conn    net.Conn
	decoder *json.Decoder
	mu      sync.Mutex
}

// NewConn makes a client of a connection, which it closes with Close.
func NewConn(conn net.Conn) *Conn {
	return &Conn{conn: conn, decoder: json.NewDecoder(conn)}
}

// Close ends the connection. The supervisor abandons what it was doing for it.
func (c *Conn) Close() error { return c.conn.Close() }

// Call sends a request and waits for its result; progress, which may be nil,
// receives lines in the meantime. After an error of the context the connection
// is of no more use.
func (c *Conn) Call(ctx context.Context, request Request, progress func(string)) (*Lab, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	lab, err := c.call(request, progress)
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return lab, err
}

func (c *Conn) call(request Request, progress func(string)) (*Lab, error) {
	if err := json.NewEncoder(c.conn).Encode(request); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrClosed, err)
	}
	for {
		var reply Reply
		if err := c.decoder.Decode(&reply); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrClosed, err)
		}
		if reply.Progress != "" && progress != nil {
			progress(reply.Progress)
		}
		if reply.Done {
			return reply.Lab, reply.Error.Err()
		}
	}
}

// WaitClosed waits until the other side is gone.
func (c *Conn) WaitClosed(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	for {
		var reply Reply
		if err := c.decoder.Decode(&reply); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return nil
		}
	}
}

// Handler does what a request asks for and returns the lab's state. The
// context ends when the client is gone.
type Handler func(ctx context.Context, request Request, progress func(string)) (*Lab, error)

// Serve answers the requests of one client, one after another, until the
// client closes the connection or the context ends. It closes the connection.
func Serve(ctx context.Context, conn net.Conn, handle Handler) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	requests := make(chan Request)
	var reader sync.WaitGroup
	// The reader notices the end of the connection also while an operation is
	// running, which is how an interrupted client cancels it.
	reader.Go(func() {
		defer cancel()
		defer close(requests)
		decoder := json.NewDecoder(conn)
		for {
			var request Request
			if err := decoder.Decode(&request); err != nil {
				return
			}
			select {
			case requests <- request:
			case <-ctx.Done():
				return
			}
		}
	})
	defer reader.Wait()
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	sender := &sender{encoder: json.NewEncoder(conn)}
	for request := range requests {
		lab, err := handle(ctx, request, func(line string) { sender.send(Reply{Progress: line}) })
		reply := Reply{Lab: lab, Done: true}
		if err != nil {
			reply.Error = NewError(err)
		}
		sender.send(reply)
	}
}

// sender keeps the progress lines of parallel work apart.
type sender struct {
	mu      sync.Mutex
	encoder *json.Encoder
}

// send ignores errors: the reader notices that the client is gone.
func (s *sender) send(reply Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.encoder.Encode(reply)
}

var _ io.Closer = (*Conn)(nil)

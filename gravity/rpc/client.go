package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
)

// Client is a connection to the agent of one node, for several goroutines at
// once.
type Client struct {
	address    netip.AddrPort
	connection *grpc.ClientConn
}

// askTimeout is how long an agent may take to answer what it knows at once.
const askTimeout = 5 * time.Second

// Dial makes a connection; nothing is sent before the first call.
func Dial(files certificate.Files, address netip.AddrPort) (*Client, error) {
	config, err := clientTLS(files, address.Addr())
	if err != nil {
		return nil, fmt.Errorf("connect to agents: %w", err)
	}
	connection, err := grpc.NewClient("passthrough:///"+address.String(),
		grpc.WithTransportCredentials(credentials.NewTLS(config)),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(codec{}), grpc.MaxCallRecvMsgSize(maxMessage), grpc.UseCompressor("gzip")),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 15 * time.Second, Timeout: 10 * time.Second}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 2, Jitter: 0.2, MaxDelay: 2 * time.Second}, MinConnectTimeout: askTimeout,
		}),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return (&net.Dialer{Timeout: askTimeout}).DialContext(ctx, "tcp", address)
		}),
		grpc.WithNoProxy(),
	)
	if err != nil {
		return nil, fmt.Errorf("connect to the agent at %s: %w", address, err)
	}
	return &Client{address: address, connection: connection}, nil
}

// AddressOf is where a node's agent is.
func AddressOf(node netip.Addr) netip.AddrPort { return netip.AddrPortFrom(node, Port) }

// Close ends the connection. Calls that are being made go on at the agent.
func (c *Client) Close() error { return c.connection.Close() }

// UnreachableError is about an agent that does not answer.
type UnreachableError struct {
	Address netip.AddrPort
	Err     error
}

// Error names the address and the cause.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("the agent at %s does not answer: %v", e.Address, e.Err)
}

// Unwrap returns the cause.
func (e *UnreachableError) Unwrap() error { return e.Err }

func (c *Client) invoke(ctx context.Context, limit time.Duration, method string, request, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := c.connection.Invoke(ctx, method, request, answer); err != nil {
		return c.explain(err)
	}
	return nil
}

// explain takes gRPC's words away.
func (c *Client) explain(err error) error {
	answer, ok := status.FromError(err)
	if !ok {
		return err
	}
	switch answer.Code() {
	case codes.Unavailable, codes.DeadlineExceeded:
		return &UnreachableError{Address: c.address, Err: errors.New(answer.Message())}
	case codes.Canceled:
		return fmt.Errorf("the agent at %s: %w", c.address, context.Canceled)
	}
	return fmt.Errorf("the agent at %s: %s", c.address, answer.Message())
}

// Info asks the agent about itself.
func (c *Client) Info(ctx context.Context) (*Info, error) {
	info := new(Info)
	if err := c.invoke(ctx, askTimeout, infoMethod, &nothing{}, info); err != nil {
		return nil, err
	}
	return info, nil
}

// departTimeout is how long a master may take to make the plan.
const departTimeout = time.Minute

// Depart asks a master to remove a node, and returns the operation, which goes
// on there. The error is ErrNotMember if the node is none, and ErrRefused if no other
// master would remove it either.
func (c *Client) Depart(ctx context.Context, request Departure) (*Departing, error) {
	answer := new(Departing)
	if err := c.invoke(ctx, departTimeout, departMethod, &request, answer); err != nil {
		return nil, err
	}
	if err := answer.err(); err != nil {
		return nil, err
	}
	return answer, nil
}

// MembershipKey asks a master for the key of the gossip between agents in an epoch.
func (c *Client) MembershipKey(ctx context.Context, epoch string) ([]byte, error) {
	answer := new(secret)
	err := c.invoke(ctx, askTimeout, keyMethod, &keyRequest{epoch}, answer)
	return answer.Data, err
}

// Wipe asks the agent to remove gravity from its node. It returns when that has
// begun, with why it failed when it was tried last; empty if it has not.
func (c *Client) Wipe(ctx context.Context) (failure string, err error) {
	answer := new(wiping)
	err = c.invoke(ctx, departTimeout, wipeMethod, &nothing{}, answer)
	return answer.Failure, err
}

// Shutdown lets the agent run as the installed program again.
func (c *Client) Shutdown(ctx context.Context) error {
	return c.invoke(ctx, departTimeout, shutdownMethod, &nothing{}, &nothing{})
}

// Deploy lets the agent run as another program, whose SHA-256 is given in
// hexadecimal. One that it runs already is not sent.
func (c *Client) Deploy(ctx context.Context, program io.Reader, digest string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.connection.NewStream(ctx, &description.Streams[1], uploadMethod, grpc.UseCompressor(""))
	if err != nil {
		return c.explain(err)
	}
	if err := send(stream, program, digest); err != nil {
		return c.explain(err)
	}
	if err := stream.CloseSend(); err != nil {
		return c.explain(err)
	}
	if err := stream.RecvMsg(&nothing{}); err != nil {
		return c.explain(err)
	}
	return nil
}

// send sends a program. When the agent has ended the stream, its answer says
// why.
func send(stream grpc.ClientStream, program io.Reader, digest string) error {
	buffer := make([]byte, chunk)
	for piece := (&part{Digest: digest}); ; piece = new(part) {
		n, err := io.ReadFull(program, buffer)
		piece.Data = buffer[:n]
		if n > 0 || piece.Digest != "" {
			if sendErr := stream.SendMsg(piece); errors.Is(sendErr, io.EOF) {
				return nil
			} else if sendErr != nil {
				return sendErr
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Refused tells whether a port of a host that answers is closed.
func Refused(ctx context.Context, host netip.Addr, port int) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	connection, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(host.String(), strconv.Itoa(port)))
	if err == nil {
		return false, connection.Close()
	}
	return errors.Is(err, errRefused), err
}

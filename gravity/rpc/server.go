package rpc

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip" // plans are sent compressed
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
)

// Host is the node that an agent acts for. All methods may be called at the
// same time.
type Host interface {
	// Identify tells who has a certificate that the authority has signed.
	Identify(shown *x509.Certificate) (Caller, error)
	// Executors makes the executors of one operation of a type.
	Executors(operationType string) (operation.Executors, error)
	// Local tells whether a server is this node.
	Local(server operation.Server) bool
	// Info tells of the node and of the program; Calls is filled in.
	Info() Info
	// MembershipKey is the key of the gossip between agents in an epoch, which nodes
	// ask masters for.
	MembershipKey(epoch string) ([]byte, error)
	// Depart removes a node from the cluster, on a master, and returns the
	// operation; it does not wait for its end.
	Depart(ctx context.Context, request Departure) (*Departing, error)
	// Wipe begins to remove gravity from this node and returns, with why that failed
	// when it was tried last; empty if it has not. It may be repeated.
	Wipe(ctx context.Context) (failure string, err error)
	// Deploy keeps a program as the one to run. It returns when its SHA-256 is
	// checked, and it is on disk.
	Deploy(ctx context.Context, program Program) error
	// Withdraw goes back to the installed program.
	Withdraw(ctx context.Context) error
	// Restart lets the agent begin anew, soon: the answer is still sent.
	Restart()
}

// Program reads a program piece by piece, as it arrives.
type Program struct {
	io.Reader
	// Digest is SHA-256 in hexadecimal.
	Digest string
}

// NewProgram is a program of which a digest was told; it may be another.
func NewProgram(content io.Reader, digest string) Program {
	return Program{Reader: content, Digest: digest}
}

// Server is an agent's side.
type Server struct {
	host  Host
	calls *calls
}

var _ service = (*Server)(nil)

// Serve serves until ctx ends. Then calls are cancelled, and waited for at most
// for a moment: what they have done stays, and is continued by the next call.
func Serve(ctx context.Context, listener net.Listener, files certificate.Files, host Host, log operation.Logger) error {
	running, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	server := &Server{host: host, calls: newCalls(running, log)}
	transport := grpc.NewServer(
		grpc.Creds(credentials.NewTLS(serverTLS(files))), grpc.ForceServerCodec(codec{}),
		grpc.MaxRecvMsgSize(maxMessage), grpc.MaxConcurrentStreams(maxStreams),
		grpc.ConnectionTimeout(10*time.Second),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 15 * time.Second, Timeout: 10 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.UnaryInterceptor(server.checkUnary), grpc.StreamInterceptor(server.checkStream),
	)
	transport.RegisterService(&description, server)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-ctx.Done():
		case <-running.Done():
			return // it never served, or cannot any more
		}
		cancel(fmt.Errorf("the agent ends: %w", context.Cause(ctx)))
		server.calls.wait(endTimeout)
		// Answers still go out, also that to whoever has ended the agent.
		stopped := time.AfterFunc(answerTimeout, transport.Stop)
		defer stopped.Stop()
		transport.GracefulStop()
	}()
	err := transport.Serve(listener)
	if ctx.Err() != nil {
		<-ended
		return nil
	}
	return err
}

const (
	// maxStreams is how many calls a connection may have.
	maxStreams = 128
	// endTimeout is how long calls may take to end when the agent does.
	endTimeout = 20 * time.Second
	// answerTimeout is how long answers may take to be sent then.
	answerTimeout = 3 * time.Second
)

// caller tells who calls.
func (s *Server) caller(ctx context.Context) (Caller, error) {
	from, ok := peer.FromContext(ctx)
	if !ok {
		return Caller{}, status.Error(codes.Unauthenticated, "the caller is not known")
	}
	info, ok := from.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.VerifiedChains) == 0 {
		return Caller{}, status.Error(codes.Unauthenticated, "the caller has no certificate")
	}
	caller, err := s.host.Identify(info.State.VerifiedChains[0][0])
	if err != nil {
		return Caller{}, status.Error(codes.PermissionDenied, err.Error())
	}
	return caller, nil
}

// check refuses what a caller may not ask for: nodes that are no masters may
// only read, and ask for their own departure, which depart checks.
func (s *Server) check(ctx context.Context, method string) error {
	caller, err := s.caller(ctx)
	if err != nil {
		return err
	}
	if caller.Removed {
		if method == departMethod {
			return nil // it is told so
		}
		return status.Errorf(codes.PermissionDenied, "node %s was removed from the cluster", caller.Node)
	}
	if caller.Master || method == infoMethod || method == departMethod || method == keyMethod {
		return nil
	}
	return status.Errorf(codes.PermissionDenied, "node %s is no master", caller.Node)
}

func (s *Server) checkUnary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if err := s.check(ctx, info.FullMethod); err != nil {
		return nil, err
	}
	return handler(ctx, request)
}

func (s *Server) checkStream(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if err := s.check(stream.Context(), info.FullMethod); err != nil {
		return err
	}
	return handler(server, stream)
}

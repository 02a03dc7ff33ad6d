package rpc

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func (s *Server) info(context.Context, *nothing) (*Info, error) {
	info := s.host.Info()
	info.Calls = s.calls.changing()
	return &info, nil
}

func (s *Server) cancel(_ context.Context, request *cancelRequest) (*nothing, error) {
	s.calls.cancel(request.ID)
	return &nothing{}, nil
}

// depart removes a node for a master, or for the node itself.
func (s *Server) depart(ctx context.Context, request *Departure) (*Departing, error) {
	caller, err := s.caller(ctx)
	if err != nil {
		return nil, err
	}
	if caller.Removed {
		return refuse(fmt.Errorf("node %s is %w", caller.Node, ErrNotMember)), nil
	}
	if !caller.Master && caller.Node != request.Node {
		return nil, status.Errorf(codes.PermissionDenied, "node %s may only remove itself", caller.Node)
	}
	answer, err := s.host.Depart(ctx, *request)
	if err != nil {
		return refuse(err), nil
	}
	return answer, nil
}

func (s *Server) wipe(ctx context.Context, _ *nothing) (*wiping, error) {
	failure, err := s.host.Wipe(ctx)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &wiping{failure}, nil
}

// shutdown goes back to the installed program. A deployed program that does not
// run (it failed to start) is withdrawn as well.
func (s *Server) shutdown(ctx context.Context, _ *nothing) (*nothing, error) {
	deployed := s.host.Info().Deployed
	if deployed {
		if err := s.idle(); err != nil {
			return nil, err
		}
	}
	if err := s.host.Withdraw(ctx); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	if deployed {
		s.host.Restart()
	}
	return &nothing{}, nil
}

func (s *Server) idle() error {
	if n := s.calls.changing(); n > 0 {
		return status.Errorf(codes.FailedPrecondition, "the agent executes %d phases", n)
	}
	return nil
}

// upload receives a program and lets the agent begin anew as that one.
func (s *Server) upload(stream grpc.ServerStream) error {
	first := new(part)
	if err := stream.RecvMsg(first); err != nil {
		return err
	}
	if s.host.Info().Digest == first.Digest {
		return stream.SendMsg(&nothing{})
	}
	if err := s.idle(); err != nil {
		return err
	}
	if err := s.host.Deploy(stream.Context(), NewProgram(&pieces{stream: stream, rest: first.Data}, first.Digest)); err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	if err := stream.SendMsg(&nothing{}); err != nil {
		return err
	}
	s.host.Restart()
	return nil
}

// pieces reads what a stream brings.
type pieces struct {
	stream grpc.ServerStream
	rest   []byte
}

// Read is io.Reader's; the end of the stream is io.EOF.
func (p *pieces) Read(buffer []byte) (int, error) {
	for len(p.rest) == 0 {
		next := new(part)
		if err := p.stream.RecvMsg(next); err != nil {
			return 0, err
		}
		p.rest = next.Data
	}
	n := copy(buffer, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

func (s *Server) membershipKey(_ context.Context, request *keyRequest) (*secret, error) {
	key, err := s.host.MembershipKey(request.Epoch)
	if err != nil {
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	return &secret{key}, nil
}

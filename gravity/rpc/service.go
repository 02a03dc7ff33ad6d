package rpc

import (
	"context"

	"google.golang.org/grpc"
)

// service is what an agent serves.
type service interface {
	run(request *call, stream grpc.ServerStream) error
	upload(stream grpc.ServerStream) error
	cancel(ctx context.Context, request *cancelRequest) (*nothing, error)
	info(ctx context.Context, request *nothing) (*Info, error)
	shutdown(ctx context.Context, request *nothing) (*nothing, error)
	depart(ctx context.Context, request *Departure) (*Departing, error)
	wipe(ctx context.Context, request *nothing) (*wiping, error)
	membershipKey(ctx context.Context, request *keyRequest) (*secret, error)
}

const serviceName = "gravity.agent.v1.Agent"

// Full names of the methods.
const (
	runMethod      = "/" + serviceName + "/Run"
	uploadMethod   = "/" + serviceName + "/Upload"
	cancelMethod   = "/" + serviceName + "/Cancel"
	infoMethod     = "/" + serviceName + "/Info"
	shutdownMethod = "/" + serviceName + "/Shutdown"
	departMethod   = "/" + serviceName + "/Depart"
	wipeMethod     = "/" + serviceName + "/Wipe"
	keyMethod      = "/" + serviceName + "/MembershipKey"
)

var description = grpc.ServiceDesc{
	ServiceName: serviceName,
	HandlerType: (*service)(nil),
	Methods: []grpc.MethodDesc{
		unary("Cancel", cancelMethod, service.cancel),
		unary("Info", infoMethod, service.info),
		unary("Shutdown", shutdownMethod, service.shutdown),
		unary("Depart", departMethod, service.depart),
		unary("Wipe", wipeMethod, service.wipe),
		unary("MembershipKey", keyMethod, service.membershipKey),
	},
	Streams: []grpc.StreamDesc{
		{StreamName: "Run", ServerStreams: true, Handler: func(server any, stream grpc.ServerStream) error {
			request := new(call)
			if err := stream.RecvMsg(request); err != nil {
				return err
			}
			return server.(service).run(request, stream) //nolint:forcetypeassert // gRPC has checked HandlerType
		}},
		{StreamName: "Upload", ClientStreams: true, Handler: func(server any, stream grpc.ServerStream) error {
			return server.(service).upload(stream) //nolint:forcetypeassert // gRPC has checked HandlerType
		}},
	},
}

// unary describes a method with one request and one answer.
func unary[Request, Answer any](name, full string, handle func(service, context.Context, *Request) (*Answer, error)) grpc.MethodDesc {
	return grpc.MethodDesc{MethodName: name, Handler: func(server any, ctx context.Context, decode func(any) error,
		interceptor grpc.UnaryServerInterceptor,
	) (any, error) {
		request := new(Request)
		if err := decode(request); err != nil {
			return nil, err
		}
		handler := func(ctx context.Context, request any) (any, error) {
			return handle(server.(service), ctx, request.(*Request)) //nolint:forcetypeassert // see above
		}
		if interceptor == nil {
			return handler(ctx, request)
		}
		return interceptor(ctx, request, &grpc.UnaryServerInfo{Server: server, FullMethod: full}, handler)
	}}
}

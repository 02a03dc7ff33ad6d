package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
)

// run starts a call, or attaches to it, and sends its events until the result.
func (s *Server) run(request *call, stream grpc.ServerStream) error {
	if request.ID == "" || len(request.ID) > 64 {
		return status.Error(codes.InvalidArgument, "the call has no ID")
	}
	if !request.Attach {
		if err := s.validate(request); err != nil {
			return status.Error(codes.InvalidArgument, err.Error())
		}
	}
	execution, err := s.calls.attach(stream.Context(), request, func(ctx context.Context, e *execution) *result {
		return s.perform(ctx, request, e)
	})
	if err != nil {
		return err
	}
	for sequence := request.After; ; {
		events, changed := execution.after(sequence)
		for _, event := range events {
			if err := stream.SendMsg(&event); err != nil {
				return err
			}
			if event.Result != nil {
				return nil
			}
			sequence = event.Sequence
		}
		select {
		case <-changed:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

// validate refuses what is not about a phase of this node.
func (s *Server) validate(request *call) error {
	if !request.Method.known() {
		return fmt.Errorf("method %q is not known", string(request.Method))
	}
	if request.Plan == nil {
		return errors.New("the call has no plan")
	}
	if err := request.Plan.Validate(); err != nil {
		return err
	}
	phase := leaf(request.Plan.Phases, request.PhaseID)
	if phase == nil {
		return fmt.Errorf("the plan has no phase %q that is executed", request.PhaseID)
	}
	if server := phase.Server(); server == nil || !s.host.Local(*server) {
		return fmt.Errorf("phase %q is not for this node", request.PhaseID)
	}
	return nil
}

func leaf(phases []operation.Phase, id string) *operation.Phase {
	for i := range phases {
		if phases[i].Leaf() && phases[i].ID == id {
			return &phases[i]
		}
		if found := leaf(phases[i].Phases, id); found != nil {
			return found
		}
	}
	return nil
}

// perform does what a call asks for.
func (s *Server) perform(ctx context.Context, request *call, e *execution) (answer *result) {
	defer func() {
		// A phase must not take the agent along, which other phases need.
		if broken := recover(); broken != nil {
			answer = failed(fmt.Errorf("the executor of phase %q panicked: %v", request.PhaseID, broken))
		}
	}()
	executors, err := s.host.Executors(request.Plan.OperationType)
	if err != nil {
		return failed(err)
	}
	phase := leaf(request.Plan.Phases, request.PhaseID)
	executor, err := executors(ctx, request.Plan, *phase, logger{e})
	if err != nil {
		return failed(err)
	}
	preChecker, hasPreCheck := executor.(operation.PreChecker)
	postChecker, hasPostCheck := executor.(operation.PostChecker)
	answer = &result{}
	switch request.Method {
	case describe:
		return &result{PreCheck: hasPreCheck, PostCheck: hasPostCheck}
	case done:
		answer.Done, err = executor.Done(ctx)
	case execute:
		err = executor.Execute(ctx)
	case rollback:
		err = executor.Rollback(ctx)
	case preCheck:
		if hasPreCheck {
			err = preChecker.PreCheck(ctx)
		}
	case postCheck:
		if hasPostCheck {
			err = postChecker.PostCheck(ctx)
		}
	}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = fmt.Errorf("%w: %w", cause, err)
		}
		return failed(err)
	}
	return answer
}

// logger sends what an executor tells to the caller.
type logger struct{ execution *execution }

func (l logger) Debug(message string, args ...any) { l.line(slog.LevelDebug, message, args) }
func (l logger) Info(message string, args ...any)  { l.line(slog.LevelInfo, message, args) }
func (l logger) Warn(message string, args ...any)  { l.line(slog.LevelWarn, message, args) }

// maxText is how long a part of a line may be.
const maxText = 8 << 10

func (l logger) line(level slog.Level, message string, args []any) {
	told := &line{Level: level, Message: limit(message)}
	for _, arg := range args {
		told.Attributes = append(told.Attributes, limit(fmt.Sprint(arg)))
	}
	l.execution.add(event{Line: told})
}

func limit(text string) string {
	if len(text) > maxText {
		return text[:maxText] + "…"
	}
	return text
}

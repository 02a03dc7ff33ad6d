package operation

import (
	"context"
	"io"
	"os"
)

// Executor does one leaf phase. Every method may be called again after a crash
// at any moment, in another process, and must then bring about the same. One
// method is called at a time. A method whose context ends returns soon; what it
// has done until then stays, and is continued by the next call.
type Executor interface {
	// Done tells whether the phase's effects are all there already. It changes
	// nothing.
	Done(ctx context.Context) (bool, error)
	// Execute brings about the phase's effects, all or those that are missing.
	Execute(ctx context.Context) error
	// Rollback undoes what Execute did, as far as it came, which may be not at
	// all. After it Done is false, and Execute works again.
	Rollback(ctx context.Context) error
}

// PreChecker is an Executor that checks whether it can begin. If it cannot, the
// phase keeps its state. A check also has to pass when an earlier Execute
// stopped half-way.
type PreChecker interface {
	PreCheck(ctx context.Context) error
}

// PostChecker is an Executor that checks what Execute brought about. If the
// check fails, the phase stays in progress.
type PostChecker interface {
	PostCheck(ctx context.Context) error
}

// Executors makes the executor of a leaf phase, by Phase.Executor. It must not
// change anything. An unknown executor is an error.
type Executors func(ctx context.Context, plan *Plan, phase Phase, log Logger) (Executor, error)

// Logger is where an executor tells what it does; *slog.Logger is one. It may
// be used by several goroutines.
type Logger interface {
	Debug(msg string, args ...any)
	Info(msg string, args ...any)
	Warn(msg string, args ...any)
}

// Output is where programs print that a phase runs: where the log says, else
// standard error.
func Output(log Logger) io.Writer {
	if printer, ok := log.(interface{ Output() io.Writer }); ok {
		return printer.Output()
	}
	return os.Stderr
}

// Remote executes phases on other nodes, through their agents.
type Remote interface {
	// Executor makes the executor of a phase on a node: what its methods do
	// happens there, and has ended when they return, also if the connection is
	// lost. ErrNoAgent means that nothing there can execute phases. The executor
	// is a PreChecker and PostChecker if that on the node is one.
	Executor(ctx context.Context, server Server, plan *Plan, phase Phase, log Logger) (Executor, error)
}

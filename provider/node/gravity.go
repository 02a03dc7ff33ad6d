package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
	"github.com/gravity-platform/terraform-provider-gravity/internal/version"
	"github.com/gravity-platform/terraform-provider-gravity/provider/connection"
)

// queryLimit is how many bytes an answer of gravity may have.
const queryLimit = 16 << 20

// ErrNoGravity says that the machine has no gravity: it is not, or no longer, a
// node of a cluster. A machine that cannot be reached is something else.
var ErrNoGravity = errors.New("the machine has no gravity")

// Query runs a command of the machine's gravity with -o json and reads its
// answer, a type of internal/report. An answer with exit code 3, degraded, is one.
// Fields that T does not have are ignored: the machine's gravity may be newer. If
// gravity fails, the error has its message and its hints.
func Query[T any](ctx context.Context, node *Node, args ...string) (T, error) {
	var answer T
	name := "gravity " + strings.Join(args, " ")
	result, err := node.command(ctx, args)
	if exit, ok := errors.AsType[*connection.ExitError](err); ok && exit.Code == cli.ExitDegraded && len(result.Stdout) > 0 {
		err = nil
	}
	if err != nil {
		return answer, fmt.Errorf("%s: %w", name, explainGravity(err))
	}
	if err := json.Unmarshal(result.Stdout, &answer); err != nil {
		return answer, fmt.Errorf("%s: it does not answer with the JSON that is expected: %w", name, err)
	}
	return answer, nil
}

// Do runs a command of the machine's gravity that knows -o json and prints
// nothing. Errors are those of Query.
func (n *Node) Do(ctx context.Context, args ...string) error {
	if _, err := n.command(ctx, args); err != nil {
		return fmt.Errorf("gravity %s: %w", strings.Join(args, " "), explainGravity(err))
	}
	return nil
}

func (n *Node) command(ctx context.Context, args []string) (connection.Result, error) {
	command := append(append([]string{n.gravity}, args...), "-o", "json")
	if n.stateDirGiven {
		command = append(command, "--state-dir", n.stateDir)
	}
	return n.runner.Run(ctx, connection.Command{Args: command, Limit: queryLimit})
}

// Version is the machine's gravity.
func (n *Node) Version(ctx context.Context) (version.Info, error) {
	return Query[version.Info](ctx, n, "version")
}

// Status is what the machine's gravity says of its cluster. It has the token by
// which nodes join: it is not for logs, nor as a whole for Terraform's state.
func (n *Node) Status(ctx context.Context) (report.Status, error) {
	return Query[report.Status](ctx, n, "status")
}

// Operation is the state of an operation of the machine's cluster.
func (n *Node) Operation(ctx context.Context, id string) (report.StatusOperation, error) {
	return Query[report.StatusOperation](ctx, n, "status", "--operation-id", id)
}

// Plan is the plan of an operation, as far as the provider tells of it.
type Plan struct {
	OperationID   string  `json:"operation_id"`
	OperationType string  `json:"operation_type"`
	ClusterName   string  `json:"cluster_name"`
	Phases        []Phase `json:"phases"`
}

// Phase is a step of a plan, or a group of them.
type Phase struct {
	ID          string `json:"id"`
	Description string `json:"description"`
	// State is unstarted, in_progress, completed, failed or rolled_back.
	State  string  `json:"state"`
	Phases []Phase `json:"phases"`
	// Error is why it failed.
	Error *struct {
		Message string   `json:"message"`
		Hints   []string `json:"hints"`
	} `json:"error"`
}

// Plan is the plan of an operation, the last one's if the id is empty.
func (n *Node) Plan(ctx context.Context, operationID string) (Plan, error) {
	args := []string{"plan", "display"}
	if operationID != "" {
		args = append(args, "--operation-id", operationID)
	}
	return Query[Plan](ctx, n, args...)
}

// GravityError is an error that the machine's gravity reported.
type GravityError struct {
	// Host is USER@HOST:PORT.
	Host string
	// Message is gravity's, and Code its exit code.
	Message string
	Code    int
}

// Error is gravity's message with the machine's name.
func (e *GravityError) Error() string { return e.Host + ": " + e.Message }

// Err is nil for a gravity that was started with -o json and succeeded, else what
// it said. host is for the message.
func (o Outcome) Err(host string) error {
	if o.ExitCode == 0 {
		return nil
	}
	return explainGravity(&connection.ExitError{Host: host, Args: []string{"gravity"}, Code: o.ExitCode, Stderr: string(o.Stderr)})
}

// explainGravity reads the error object that gravity prints with -o json.
func explainGravity(err error) error {
	exit, ok := errors.AsType[*connection.ExitError](err)
	if !ok {
		return err
	}
	lines := strings.Split(strings.TrimSpace(exit.Stderr), "\n")
	last := lines[len(lines)-1]
	if exit.Code == 127 || exit.Code == 1 && strings.HasPrefix(last, "sudo: ") && strings.HasSuffix(last, "command not found") {
		return fmt.Errorf("%w: %w", ErrNoGravity, err)
	}
	var object struct {
		Error string   `json:"error"`
		Hints []string `json:"hints"`
	}
	if json.Unmarshal([]byte(last), &object) != nil || object.Error == "" {
		return err
	}
	return &cli.Error{
		Err:   &GravityError{Host: exit.Host, Message: object.Error, Code: exit.Code},
		Hints: object.Hints,
	}
}

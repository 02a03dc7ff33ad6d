package rpc

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// Port is the port of agents.
const Port = 3012

// Limits of what is sent.
const (
	// maxMessage is how large a message may be: a plan, as the disk keeps it.
	maxMessage = 65 << 20
	// chunk is how much of a program is sent at once.
	chunk = 256 << 10
)

// method is what is asked of an executor.
type method string

const (
	// describe tells what the executor can do, and changes nothing.
	describe  method = "describe"
	done      method = "done"
	preCheck  method = "preCheck"
	execute   method = "execute"
	postCheck method = "postCheck"
	rollback  method = "rollback"
)

// changes tells whether a method changes anything.
func (m method) changes() bool { return m == execute || m == rollback }

func (m method) known() bool {
	switch m {
	case describe, done, preCheck, execute, postCheck, rollback:
		return true
	}
	return false
}

// call asks for a method of the executor of a phase.
type call struct {
	// ID is unique. A call whose ID the agent knows attaches to what it started.
	ID string `json:"id"`
	// Attach does nothing but attach: nothing is started.
	Attach bool `json:"attach,omitempty"`
	// After is the last event that the caller has.
	After  uint64 `json:"after,omitempty"`
	Method method `json:"method,omitempty"`
	// Plan is that of the operation, PhaseID a leaf of it.
	Plan    *operation.Plan `json:"plan,omitempty"`
	PhaseID string          `json:"phase_id,omitempty"`
	// Timeout is how long it may take; zero means operation.DefaultTimeout.
	Timeout time.Duration `json:"timeout,omitempty"`
}

// event is a line of a call's log, or its result, which is the last event.
type event struct {
	// Sequence counts the events of a call from 1. Numbers are left out where
	// there were more lines than the agent keeps.
	Sequence uint64  `json:"sequence"`
	Line     *line   `json:"line,omitempty"`
	Result   *result `json:"result,omitempty"`
}

type line struct {
	Level   slog.Level `json:"level"`
	Message string     `json:"message"`
	// Attributes are keys and values in turn.
	Attributes []string `json:"attributes,omitempty"`
}

type result struct {
	// Done answers the method done.
	Done bool `json:"done,omitempty"`
	// PreCheck and PostCheck answer the method describe.
	PreCheck  bool               `json:"pre_check,omitempty"`
	PostCheck bool               `json:"post_check,omitempty"`
	Failure   *operation.Failure `json:"failure,omitempty"`
}

func failed(err error) *result {
	return &result{Failure: &operation.Failure{Message: err.Error(), Hints: cli.Hints(err)}}
}

// err is the error of a result, with its hints.
func (r *result) err() error {
	if r.Failure == nil {
		return nil
	}
	failure := &cli.Error{Err: fmt.Errorf("%s", r.Failure.Message), Hints: r.Failure.Hints}
	return failure
}

type cancelRequest struct {
	ID string `json:"id"`
}

// Info is what an agent says of itself.
type Info struct {
	// Node and Cluster are names.
	Node    string `json:"node"`
	Cluster string `json:"cluster"`
	// Version and Digest are of the gravity that runs as agent. The digest is
	// SHA-256 in hexadecimal.
	Version string `json:"version"`
	Digest  string `json:"digest"`
	// Deployed tells that this is not the installed gravity.
	Deployed bool `json:"deployed"`
	// Calls is how many calls change the node now.
	Calls int `json:"calls"`
	// Members are the nodes that this one sees, by gossip.
	Members []Member `json:"members,omitempty"`
}

// Member is a node as another one sees it; see package membership.
type Member struct {
	Name    string            `json:"name"`
	Address string            `json:"address"`
	Status  string            `json:"status"`
	Tags    map[string]string `json:"tags,omitempty"`
}

// wiping is the answer of an agent that removes gravity from its node.
type wiping struct {
	// Failure is why that failed when it was tried last; empty if it has not.
	Failure string `json:"failure,omitempty"`
}

// part is a piece of a program; the first one has the digest.
type part struct {
	Digest string `json:"digest,omitempty"`
	Data   []byte `json:"data,omitempty"`
}

// keyRequest asks for the key of an epoch.
type keyRequest struct {
	Epoch string `json:"epoch,omitempty"`
}

type nothing struct{}

// secret is never logged.
type secret struct {
	Data []byte `json:"data"`
}

// codec is the form of all messages.
type codec struct{}

func (codec) Name() string { return "json" }

func (codec) Marshal(v any) ([]byte, error) { return json.Marshal(v) }

func (codec) Unmarshal(data []byte, v any) error { return json.Unmarshal(data, v) }

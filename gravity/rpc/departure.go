package rpc

import (
	"errors"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// Departure asks a master to remove a node.
type Departure struct {
	// Node is the node's name, its host name or address.
	Node string `json:"node"`
	// Force goes on where a drain or a hook fails.
	Force bool `json:"force,omitempty"`
	// Operation is one of the master's that removes the node, and that is to go on if
	// its process has died; nothing else is done then.
	Operation string `json:"operation,omitempty"`
}

// Departing is the answer to a Departure.
type Departing struct {
	// OperationID is the operation that removes the node.
	OperationID string `json:"operation_id,omitempty"`
	// Started tells that the process of Departure.Operation had died.
	Started bool `json:"started,omitempty"`
	// Kept tells that nothing is removed from the node's machine, whose agent did not
	// answer.
	Kept bool `json:"kept,omitempty"`
	// Failure is why the node cannot be removed, and NotMember that it is not one
	// of the cluster. Unsure tells that the master could not find out: another one may.
	Failure   *operation.Failure `json:"failure,omitempty"`
	NotMember bool               `json:"not_member,omitempty"`
	Unsure    bool               `json:"unsure,omitempty"`
	// Code is the exit code that the failure asks for; zero for none.
	Code int `json:"code,omitempty"`
}

// refuse is the answer that an error is.
func refuse(err error) *Departing {
	answer := &Departing{
		Failure:   &operation.Failure{Message: err.Error(), Hints: cli.Hints(err)},
		NotMember: errors.Is(err, ErrNotMember),
	}
	answer.Unsure = !answer.NotMember && !errors.Is(err, ErrRefused)
	if code := cli.ExitCode(err); code != cli.ExitFailed {
		answer.Code = code
	}
	return answer
}

// err is the error of an answer, as it was where it comes from; nil if the node is
// being removed.
func (d *Departing) err() error {
	if d.Failure == nil {
		return nil
	}
	cause := errors.New(d.Failure.Message)
	switch {
	case d.NotMember:
		cause = notMember(d.Failure.Message)
	case !d.Unsure:
		cause = Refuse(cause)
	}
	return &cli.Error{Err: cause, Hints: d.Failure.Hints, Code: d.Code}
}

// notMember has the words of the agent, and is ErrNotMember.
type notMember string

func (e notMember) Error() string { return string(e) }

func (notMember) Is(target error) bool { return target == ErrNotMember }

// ErrNotMember is about a node that is not one of the cluster.
var ErrNotMember = errors.New("not a member of the cluster")

// ErrRefused is about a node that the cluster does not remove as it is now, whichever
// master is asked. Without it a master could not find out.
var ErrRefused = errors.New("refused")

// Refuse makes an error ErrRefused; its words stay. A nil error stays nil.
func Refuse(err error) error {
	if err == nil {
		return nil
	}
	return &refusal{err}
}

type refusal struct{ error }

func (r *refusal) Unwrap() error { return r.error }

func (*refusal) Is(target error) bool { return target == ErrRefused }

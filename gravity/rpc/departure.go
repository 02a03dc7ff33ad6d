package rpc

import (
	"errors"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
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
	// Failure is why the node cannot be removed, and NotMember that it is not one
	// of the cluster.
	Failure   *operation.Failure `json:"failure,omitempty"`
	NotMember bool               `json:"not_member,omitempty"`
}

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

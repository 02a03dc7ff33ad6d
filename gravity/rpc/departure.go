package rpc

import "errors"

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

package store

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// UnavailableError tells that no master sent what it was asked for, though one may
// later.
type UnavailableError struct{ Err error }

// Error says what was tried.
func (e *UnavailableError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }

// Damage is a blob that a master serves with other contents than it should have.
type Damage struct {
	Master netip.Addr
	Digest v1.Hash
}

// Damaged lists what was found damaged.
func (r *Remote) Damaged() []Damage {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []Damage
	for _, digest := range slices.SortedFunc(maps.Keys(r.damaged), func(a, b v1.Hash) int { return cmp.Compare(a.Hex, b.Hex) }) {
		for _, master := range r.damaged[digest] {
			found = append(found, Damage{master, digest})
		}
	}
	return found
}

// Reject tells that what was opened last for a digest is damaged, so that another
// master is asked. It fails if all masters have it damaged.
func (r *Remote) Reject(digest v1.Hash) error {
	r.mu.Lock()
	if master, ok := r.opened[digest]; ok {
		delete(r.opened, digest)
		r.damaged[digest] = append(r.damaged[digest], master)
	}
	r.mu.Unlock()
	if len(r.order(digest)) > 0 {
		return nil
	}
	return r.missing(digest, nil)
}

// order is the order in which masters are asked for a blob.
func (r *Remote) order(digest v1.Hash) []netip.Addr {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.masters), func(master netip.Addr) bool { return slices.Contains(r.damaged[digest], master) })
}

// demote lets a master that did not answer be asked after the others from now on, so
// that not every blob waits for it.
func (r *Remote) demote(master netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.Index(r.masters, master); i >= 0 {
		r.masters = append(slices.Delete(r.masters, i, i+1), master)
	}
}

// missing is the error of a blob that no master has as it should be: failed are those
// of masters that do not have it damaged.
func (r *Remote) missing(digest v1.Hash, failed []error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []error
	for _, master := range r.damaged[digest] {
		all = append(all, fmt.Errorf("that of %s is damaged", master))
	}
	err := fmt.Errorf("no master serves blob %s: %w", digest, errors.Join(append(all, failed...)...))
	if len(all) == 0 || len(failed) > 0 {
		return &UnavailableError{err}
	}
	return cli.WithHint(&bundle.DamagedError{Digest: digest, Err: err},
		"on one of these masters, put the blob of the bundle in the place of that in the package store, %s", blobFile(digest))
}

// sent is a blob as a master sends it. That the connection broke is no end, and tells
// nothing about the contents.
type sent struct {
	io.ReadCloser
	remote *Remote
	master netip.Addr
}

func (s *sent) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	s.remote.demote(s.master)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("the connection broke")
	}
	return n, &UnavailableError{fmt.Errorf("master %s: %w", s.master, err)}
}

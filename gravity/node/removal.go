package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// Removals are the times at which nodes were removed from the cluster, by their
// names. Who has a certificate that was issued before is not obeyed.
type Removals map[string]time.Time

// Void tells whether a certificate counts no more that a node got at some time.
func (r Removals) Void(name string, issued time.Time) bool {
	at, found := r[name]
	return found && !at.Before(issued)
}

// Renewed is when a certificate counts as issued that takes the place of one that is
// not void: now, but after the removal of the node that had the name before, whatever
// the clock says. A renewal never makes a node of the cluster a stranger.
func (r Removals) Renewed(name string, now time.Time) time.Time {
	now = now.Truncate(time.Second) // as certificates have it
	if r.Void(name, now) {
		return r[name].Add(time.Second)
	}
	return now
}

// Epoch is another one after each removal.
func (r Removals) Epoch() string {
	var last time.Time
	for _, at := range r {
		if at.After(last) {
			last = at
		}
	}
	if last.IsZero() {
		return ""
	}
	return last.UTC().Format(time.RFC3339)
}

// ReadRemovals reads what this node knows of removals; without a file that is
// nothing.
func ReadRemovals(p paths.Paths) (Removals, error) {
	content, err := os.ReadFile(p.Removals())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var r Removals
	if err := json.Unmarshal(content, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", p.Removals(), err)
	}
	return r, nil
}

// Write writes what this node knows of removals, if that is something new.
func (r Removals) Write(p paths.Paths) error {
	known, err := ReadRemovals(p)
	if err == nil && maps.EqualFunc(known, r, time.Time.Equal) {
		return nil
	}
	content, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return paths.WriteFile(p.Removals(), append(content, '\n'), 0o600)
}

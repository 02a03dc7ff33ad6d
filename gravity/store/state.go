package store

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// State is how a store was found, for whoever asks how the node is.
type State struct {
	// Checked is when it was looked at, Verified when all blobs were read last;
	// zero for never.
	Checked  time.Time `json:"checked"`
	Verified time.Time `json:"verified,omitzero"`
	// Blobs is how many the store refers to, Repaired how many were repaired then,
	// RepairedAt when any were last.
	Blobs      int       `json:"blobs"`
	Repaired   int       `json:"repaired,omitempty"`
	RepairedAt time.Time `json:"repaired_at,omitzero"`
	// Problem names blobs that are missing or damaged and could not be repaired;
	// empty if the store is whole.
	Problem string `json:"problem,omitempty"`
}

// ReadState reads the file of a state. The error is fs.ErrNotExist if the store was
// not looked at yet.
func ReadState(file string) (State, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return State{}, err
	}
	var state State
	if err := json.Unmarshal(content, &state); err != nil {
		return State{}, fmt.Errorf("%s: %w", file, err)
	}
	return state, nil
}

// Write writes the file.
func (s State) Write(file string) error {
	content, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return paths.WriteFile(file, append(content, '\n'), 0o644)
}

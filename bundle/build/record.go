package build

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/renameio/v2"
)

// record remembers a bundle that was written, so that a build that would write
// the same again can leave it alone. It holds as long as the file is the one
// that was written: whoever changes a file changes its time of change, which
// nobody can set.
type record string

// written is the contents of a record.
type written struct {
	Path   string  `json:"path"`
	Digest v1.Hash `json:"digest"`
	State  state   `json:"state"`
}

// state is what the file system says about a file.
type state struct {
	Device  uint64    `json:"device"`
	Inode   uint64    `json:"inode"`
	Size    int64     `json:"size"`
	Changed time.Time `json:"changed"`
}

// recordOf is the record of an output below the folder of the cache.
func recordOf(stateDir, path string) record {
	full, err := filepath.Abs(path)
	if err != nil {
		full = path
	}
	name := fmt.Sprintf("%x.json", sha256.Sum256([]byte(full)))
	return record(filepath.Join(stateDir, "outputs", name))
}

// holds tells whether a path still is the bundle of a digest.
func (r record) holds(path string, digest v1.Hash) bool {
	content, err := os.ReadFile(string(r))
	if err != nil {
		return false
	}
	var was written
	if json.Unmarshal(content, &was) != nil || was.Digest != digest {
		return false
	}
	is, err := stateOf(path)
	return err == nil && is.Device == was.State.Device && is.Inode == was.State.Inode &&
		is.Size == was.State.Size && is.Changed.Equal(was.State.Changed)
}

// write remembers what a path is now.
func (r record) write(path string, digest v1.Hash) error {
	is, err := stateOf(path)
	if err != nil {
		return err
	}
	content, err := json.Marshal(written{Path: path, Digest: digest, State: is})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(string(r)), 0o755); err != nil {
		return err
	}
	return renameio.WriteFile(string(r), content, 0o644)
}

// Package node works on one machine of a cluster: it asks the machine's gravity,
// sends it files, and starts commands there that go on when the connection is
// lost. It needs nothing on the machine but a shell, coreutils, util-linux and
// systemd.
package node

import (
	"cmp"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"path"
	"strings"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/provider/connection"
)

// Defaults of Options.
const (
	DefaultStateDir   = "/var/lib/gravity"
	DefaultRuntimeDir = "/run/gravity"
	DefaultGravity    = "gravity"
)

// Runner runs commands on a machine as root; a *connection.Host is one. It may
// be called concurrently, connects by itself and again after a connection was
// lost. Errors are those of connection.Host.Run.
type Runner interface {
	Run(ctx context.Context, command connection.Command) (connection.Result, error)
}

// Options say where things are on a machine. The zero value has the defaults.
type Options struct {
	// StateDir is gravity's state directory.
	StateDir string
	// RuntimeDir is a directory in memory.
	RuntimeDir string
	// Gravity is the program, by its path or its name in PATH.
	Gravity string
}

// Node is a machine. Its methods may be called concurrently.
type Node struct {
	runner     Runner
	stateDir   string
	runtimeDir string
	gravity    string
	// stateDirGiven tells that gravity would not find its state directory itself.
	stateDirGiven bool
	// stall is how long another's upload may stand still before it is ended.
	stall time.Duration
	// pause is the first and longest time between two looks at a command.
	firstPause, longestPause time.Duration
}

// New works on the machine that the runner reaches.
func New(runner Runner, options Options) *Node {
	return &Node{
		runner:        runner,
		stateDir:      cmp.Or(options.StateDir, DefaultStateDir),
		runtimeDir:    cmp.Or(options.RuntimeDir, DefaultRuntimeDir),
		gravity:       cmp.Or(options.Gravity, DefaultGravity),
		stateDirGiven: options.StateDir != "",
		stall:         time.Minute,
		firstPause:    250 * time.Millisecond, longestPause: 5 * time.Second,
	}
}

// WithGravity is the same machine with another program.
func (n *Node) WithGravity(program string) *Node {
	other := *n
	other.gravity = program
	return &other
}

// UploadPath is where Upload puts a file.
func (n *Node) UploadPath(digest, name string) string {
	return n.below("uploads", strings.TrimPrefix(digest, "sha256:"), name)
}

// String is USER@HOST:PORT.
func (n *Node) String() string {
	if named, ok := n.runner.(interface{ String() string }); ok {
		return named.String()
	}
	return "the machine"
}

// StateDir is gravity's state directory.
func (n *Node) StateDir() string { return n.stateDir }

// Run runs a command, as Runner does.
func (n *Node) Run(ctx context.Context, command connection.Command) (connection.Result, error) {
	return n.runner.Run(ctx, command)
}

var (
	//go:embed script/upload.sh
	uploadScript string
	//go:embed script/start.sh
	startScript string
	//go:embed script/run.sh
	runScript string
	//go:embed script/poll.sh
	pollScript string
	//go:embed script/forget.sh
	forgetScript string
)

// script is the command for a script; name is what errors call it.
func script(name, content string, args ...string) []string {
	return append([]string{"sh", "-c", content, name}, args...)
}

// nameOf makes a file's name of any text.
func nameOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// below is a path in the state directory.
func (n *Node) below(names ...string) string {
	return path.Join(append([]string{n.stateDir}, names...)...)
}

// passing tells errors of the connection that another attempt may not have.
func passing(err error) bool {
	_, lost := errors.AsType[*connection.LostError](err)
	_, unreachable := errors.AsType[*connection.UnreachableError](err)
	return lost || unreachable
}

// wait pauses, and fails when the context ends.
func wait(ctx context.Context, pause time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(pause):
		return nil
	}
}

package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/provider/connection"
)

const (
	// pollLimit is how many bytes of standard error one look brings.
	pollLimit = 64 << 10
	// outputLimit is how many bytes a detached command may print.
	outputLimit = 4 << 20
	// tailLimit is how much of the end of standard error an outcome has.
	tailLimit = 16 << 10
)

// ErrInterrupted says that a detached command was cut off before it ended, by a
// power failure for instance. Start starts it again.
var ErrInterrupted = errors.New("it was interrupted")

// ErrAbsent says that no command was started under a key.
var ErrAbsent = errors.New("it was not started")

// The states of a detached command.
const (
	StateAbsent      = "absent"
	StateRunning     = "running"
	StateEnded       = "ended"
	StateInterrupted = "interrupted"
)

// Detached is a command that goes on when the connection is lost, and when this
// process ends.
type Detached struct {
	// Key identifies the command on the machine: it is started once.
	Key string
	// Args are the program and its arguments. They are stored: secrets go to
	// Stdin. The command must cope with being started again after it was cut off.
	Args []string
	// Stdin is what the command reads, a few kilobytes. It is in memory only, and
	// nobody else can read it there.
	Stdin []byte
}

// Outcome is how a detached command ended.
type Outcome struct {
	ExitCode int
	// Stdout is what it printed.
	Stdout []byte
	// Stderr has the last bytes only.
	Stderr []byte
}

func unitOf(key string) string { return "gravity-" + nameOf(key) }

func (n *Node) record(key string) string { return n.below("detached", nameOf(key)) }

// StartDetached starts a command as a unit of systemd, unless one was started
// under the same key; then it is false, and the command that runs or has ended is
// the one to wait for. It may be repeated, also when its error is one of the
// connection.
func (n *Node) StartDetached(ctx context.Context, command Detached) (started bool, err error) {
	line := connection.Quote(command.Args)
	args := script("start", startScript, n.record(command.Key), n.runtimeDir, unitOf(command.Key),
		"Gravity: "+command.Key, line, runScript)
	result, err := n.runner.Run(ctx, connection.Command{Args: args, Stdin: bytes.NewReader(command.Stdin)})
	if err != nil {
		if exit, ok := errors.AsType[*connection.ExitError](err); ok && exit.Code == 127 {
			err = cli.WithHint(err, "the machine needs systemd")
		}
		return false, fmt.Errorf("start %s: %w", command.Key, err)
	}
	switch answer := strings.TrimSpace(string(result.Stdout)); answer {
	case "started":
		return true, nil
	case "attached":
		return false, nil
	default:
		return false, fmt.Errorf("start %s: the machine answers %q", command.Key, answer)
	}
}

// State tells how far a detached command is: StateAbsent, StateRunning,
// StateEnded, or StateInterrupted for one that neither runs nor has ended.
func (n *Node) State(ctx context.Context, key string) (string, error) {
	seen, err := n.poll(ctx, key, 0)
	if err != nil {
		return "", fmt.Errorf("look for %s: %w", key, err)
	}
	return seen.state, nil
}

// Wait waits until a detached command has ended, and hands what it prints on
// standard error to progress while it comes; nil means that nobody wants it.
// While the machine cannot be reached it goes on trying until the context ends:
// the command does not need us. The error is ErrInterrupted or ErrAbsent if there
// is nothing to wait for.
func (n *Node) Wait(ctx context.Context, key string, progress io.Writer) (Outcome, error) {
	outcome, err := n.wait(ctx, key, progress)
	if err != nil {
		return outcome, fmt.Errorf("wait for %s: %w", key, err)
	}
	return outcome, nil
}

func (n *Node) wait(ctx context.Context, key string, progress io.Writer) (Outcome, error) {
	w := &waiting{node: n, key: key, progress: progress}
	for pause := n.firstPause; ; pause = min(pause*3/2, n.longestPause) {
		more, ended, err := w.look(ctx)
		switch {
		case ctx.Err() != nil:
			return w.outcome, errors.Join(context.Cause(ctx), w.lost)
		case err != nil:
			return w.outcome, err
		case ended:
			return n.fetch(ctx, key, w.outcome)
		case more:
			pause = n.firstPause
			continue
		}
		if err := wait(ctx, pause); err != nil {
			return w.outcome, errors.Join(err, w.lost)
		}
	}
}

// waiting is a wait for a detached command.
type waiting struct {
	node     *Node
	key      string
	progress io.Writer
	outcome  Outcome
	offset   int64
	// lost is why the machine could not be reached at the last look.
	lost error
}

// look looks once. There is more if all that was there did not fit.
func (w *waiting) look(ctx context.Context) (more, ended bool, err error) {
	seen, err := w.node.poll(ctx, w.key, w.offset)
	if w.lost = err; err != nil {
		if passing(err) {
			return false, false, nil
		}
		return false, false, err
	}
	w.offset += int64(len(seen.stderr))
	w.outcome.Stderr = end(append(w.outcome.Stderr, seen.stderr...), tailLimit)
	if w.progress != nil && len(seen.stderr) > 0 {
		if _, err := w.progress.Write(seen.stderr); err != nil {
			return false, false, err
		}
	}
	if len(seen.stderr) == pollLimit {
		return true, false, nil
	}
	ended, err = seen.ended(&w.outcome)
	return false, ended, err
}

// look is what one look at a detached command brings.
type look struct {
	state, code string
	stderr      []byte
}

func (n *Node) poll(ctx context.Context, key string, offset int64) (look, error) {
	result, err := n.runner.Run(ctx, connection.Command{Args: script("poll", pollScript, n.record(key), unitOf(key),
		strconv.FormatInt(offset, 10), strconv.Itoa(pollLimit))})
	if err != nil {
		return look{}, err
	}
	first, rest, _ := bytes.Cut(result.Stdout, []byte("\n"))
	state, code, ok := strings.Cut(string(first), " ")
	if !ok {
		return look{}, fmt.Errorf("the machine answers %q", first)
	}
	return look{state, code, rest}, nil
}

// ended tells whether the command has ended, and how.
func (l look) ended(outcome *Outcome) (bool, error) {
	switch l.state {
	case StateRunning:
		return false, nil
	case StateInterrupted:
		return false, ErrInterrupted
	case StateAbsent:
		return false, ErrAbsent
	case StateEnded:
		code, err := strconv.Atoi(l.code)
		if err != nil {
			return false, fmt.Errorf("its exit code is %q", l.code)
		}
		outcome.ExitCode = code
		return true, nil
	default:
		return false, fmt.Errorf("its state is %q", l.state)
	}
}

// fetch adds what the command printed.
func (n *Node) fetch(ctx context.Context, key string, outcome Outcome) (Outcome, error) {
	for pause := n.firstPause; ; pause = min(2*pause, n.longestPause) {
		result, err := n.runner.Run(ctx, connection.Command{Args: []string{"cat", n.record(key) + "/stdout"}, Limit: outputLimit})
		if err == nil {
			outcome.Stdout = result.Stdout
			return outcome, nil
		}
		if !passing(err) {
			return outcome, err
		}
		if err := wait(ctx, pause); err != nil {
			return outcome, err
		}
	}
}

// Forget removes the record of a detached command that has ended, so that its key
// can be used again. It fails if the command runs; that there is none is no
// error.
func (n *Node) Forget(ctx context.Context, key string) error {
	if _, err := n.runner.Run(ctx, connection.Command{Args: script("forget", forgetScript, n.record(key), unitOf(key))}); err != nil {
		return fmt.Errorf("forget %s: %w", key, err)
	}
	return nil
}

// end is the end of a text.
func end(text []byte, limit int) []byte {
	return text[max(0, len(text)-limit):]
}

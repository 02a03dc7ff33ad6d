package connection

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

const (
	// DefaultLimit is how many bytes a command may print.
	DefaultLimit = 1 << 20
	// stderrLimit is how many of the last bytes of standard error are kept.
	stderrLimit = 16 << 10
	// reconnects bounds how often a session is tried anew on another connection.
	reconnects = 3
	// grace is how long a command that is interrupted may take to end before
	// nobody waits for it any more.
	grace = 2 * time.Second
)

// Command is a program to run as root on a machine.
type Command struct {
	// Args are the program and its arguments. They arrive as they are. Others on
	// the machine can see them, and errors have them: secrets go to Stdin.
	Args []string
	// Stdin is what it reads; nil means nothing. It is not read further once the
	// command ended, but a Read that blocks is not interrupted.
	Stdin io.Reader
	// Stdout receives the output while it comes; nil means that the result has
	// it.
	Stdout io.Writer
	// Limit bounds the output in the result, in bytes; zero means DefaultLimit.
	// A command that prints more fails.
	Limit int
}

// Result is what a command printed.
type Result struct {
	Stdout []byte
	// Stderr has its last bytes only.
	Stderr []byte
}

// An ExitError says that a command ended and failed.
type ExitError struct {
	// Host is USER@HOST:PORT.
	Host string
	Args []string
	// Code is the exit code, or 128 and more if a signal ended the command.
	Code int
	// Signal is such as TERM; empty if there was none.
	Signal string
	// Stderr is the end of standard error.
	Stderr string
}

// Error has the last line that the command printed.
func (e *ExitError) Error() string {
	text := fmt.Sprintf("%s: %s: exit code %d", e.Host, program(e.Args), e.Code)
	if e.Signal != "" {
		text = fmt.Sprintf("%s: %s: ended by signal %s", e.Host, program(e.Args), e.Signal)
	}
	if last := lastLine(e.Stderr); last != "" {
		text += ": " + last
	}
	return text
}

// A LostError says that the connection ended while a command ran. Whether the
// command was done is not known.
type LostError struct {
	// Host is USER@HOST:PORT.
	Host string
	Args []string
	Err  error
}

// Error names the command.
func (e *LostError) Error() string {
	return fmt.Sprintf("%s: %s: the connection was lost: %v", e.Host, program(e.Args), e.Err)
}

// Unwrap returns the cause.
func (e *LostError) Unwrap() error { return e.Err }

// ErrTooLong says that a command printed more than it may.
var ErrTooLong = errors.New("it prints too much")

// ErrPassword says that sudo would ask for a password, or may not be used.
var ErrPassword = errors.New("sudo does not let the user in without a password")

// program is a command for errors: scripts are not shown.
func program(args []string) string {
	if len(args) > 3 && args[0] == "sh" && args[1] == "-c" {
		return args[3]
	}
	text := strings.Join(args, " ")
	if len(text) > 200 {
		text = text[:200] + "…"
	}
	return text
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:])
}

// Run runs a command as root. Who is another user becomes root by sudo, which
// must not ask. If the command fails, the error is an *ExitError; if the
// connection does, a *LostError. When the context ends, so does the session, and
// the connection stays for others; the command gets SIGTERM if the user is root,
// else it ends when it reads or prints the next time.
func (h *Host) Run(ctx context.Context, command Command) (Result, error) {
	if len(command.Args) == 0 {
		return Result{}, errors.New("run a command: it has no name")
	}
	session, err := h.open(ctx)
	if err != nil {
		return Result{}, err
	}
	return h.run(ctx, session, command)
}

// open opens a session, on a new connection if the old one turns out to be dead.
// Nothing was sent then, so it is safe.
func (h *Host) open(ctx context.Context) (*session, error) {
	for attempt := 1; ; attempt++ {
		current, err := h.shared.link(ctx)
		if err != nil {
			return nil, err
		}
		opened, err := current.session(ctx)
		if err == nil {
			return opened, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if _, refused := errors.AsType[*ssh.OpenChannelError](err); refused || attempt == reconnects {
			return nil, fmt.Errorf("%s: %w", h, err)
		}
		h.shared.drop(current)
	}
}

func (h *Host) run(ctx context.Context, session *session, command Command) (Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	limit := command.Limit
	if limit == 0 {
		limit = DefaultLimit
	}
	stdout := &bounded{limit: limit, full: func() { cancel(ErrTooLong) }}
	stderr := &tail{limit: stderrLimit}
	session.Stdin, session.Stdout, session.Stderr = command.Stdin, stdout, stderr
	if command.Stdout != nil {
		session.Stdout = command.Stdout
	}
	ended := session.do(h.line(command.Args))
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		session.interrupt()
		select {
		case <-ended: //nolint:errcheck // why it ended is known
		case <-time.After(grace):
			// The output may still be written, so it is not for the caller.
			return Result{}, h.interrupted(ctx, command)
		}
	}
	result := Result{Stdout: stdout.buffer.Bytes(), Stderr: stderr.bytes}
	if ctx.Err() != nil {
		return result, h.interrupted(ctx, command)
	}
	return result, h.explain(err, command.Args, string(result.Stderr))
}

func (h *Host) interrupted(ctx context.Context, command Command) error {
	return fmt.Errorf("%s: %s: %w", h, program(command.Args), context.Cause(ctx))
}

// line is the command for the user's shell. LC_ALL makes sudo speak English.
func (h *Host) line(args []string) string {
	if h.Root() {
		return Quote(args)
	}
	return Quote(append([]string{"env", "LC_ALL=C", "sudo", "-n", "--"}, args...))
}

// explain makes an error of ours from the library's.
func (h *Host) explain(err error, args []string, stderr string) error {
	if err == nil {
		return nil
	}
	exit, ok := errors.AsType[*ssh.ExitError](err)
	if !ok {
		return &LostError{Host: h.String(), Args: args, Err: err}
	}
	failed := &ExitError{Host: h.String(), Args: args, Code: exit.ExitStatus(), Signal: exit.Signal(), Stderr: stderr}
	if h.Root() {
		return failed
	}
	user := h.shared.config.user()
	switch last := lastLine(stderr); {
	case failed.Code == 1 && strings.HasPrefix(last, "sudo: ") && strings.Contains(last, "password"),
		failed.Code == 1 && strings.Contains(last, "is not in the sudoers file"):
		return cli.WithHint(fmt.Errorf("%s: become root: %w: %s", h, ErrPassword, last),
			"put '%s ALL=(ALL) NOPASSWD: ALL' into a file in /etc/sudoers.d of the machine, or log in as root", user)
	case failed.Code == 127 && strings.Contains(last, "sudo"):
		return cli.WithHint(fmt.Errorf("%s: become root: the machine has no sudo: %s", h, last), "install sudo there, or log in as root")
	}
	return failed
}

// Quote writes words for a shell, any of the usual ones.
func Quote(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = quote(word)
	}
	return strings.Join(quoted, " ")
}

func quote(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:,+@", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// bounded keeps output up to a limit, and calls full when there is more.
type bounded struct {
	buffer bytes.Buffer
	limit  int
	full   func()
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.buffer.Len()+len(p) > b.limit {
		b.full()
		return len(p), nil
	}
	return b.buffer.Write(p)
}

// tail keeps the end of output.
type tail struct {
	bytes []byte
	limit int
}

func (t *tail) Write(p []byte) (int, error) {
	t.bytes = append(t.bytes, p...)
	if excess := len(t.bytes) - t.limit; excess > 0 {
		t.bytes = append(t.bytes[:0], t.bytes[excess:]...)
	}
	return len(p), nil
}

package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Exit codes of every program. README has the table for users.
const (
	ExitOK          = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitDegraded    = 3
	ExitBusy        = 75
	ExitInterrupted = 130
)

// Error is an error with what a user needs besides the message.
type Error struct {
	// Err is the cause; its message names what failed and what was tried.
	Err error
	// Hints say what to do: a command to run, a field to change.
	Hints []string
	// Code is the exit code; zero means ExitFailed.
	Code int
}

// Error returns the message of the cause.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// WithHint adds advice to an error. A nil error stays nil.
func WithHint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &Error{Err: err, Hints: []string{fmt.Sprintf(format, args...)}}
}

// Usagef is an error about the words on the command line (exit code 2).
func Usagef(format string, args ...any) error {
	return &Error{Err: fmt.Errorf(format, args...), Code: ExitUsage}
}

// ErrInterrupted is wrapped by errors that say already that, and where, an
// interruption met them. Run does not say it again.
var ErrInterrupted = errors.New("interrupted")

// WithCode makes the program end with the given exit code. A nil error stays
// nil.
func WithCode(err error, code int) error {
	if err == nil {
		return nil
	}
	return &Error{Err: err, Code: code}
}

// Busy marks an error that the same command may not have later, when what others
// do has ended (exit code 75). A nil error stays nil.
func Busy(err error) error { return WithCode(err, ExitBusy) }

// ExitCode is the exit code that an error asks for: the outermost one given,
// the first one among joined errors, ExitFailed when none is.
func ExitCode(err error) int {
	if err == nil {
		return ExitOK
	}
	if code := askedCode(err); code != 0 {
		return code
	}
	return ExitFailed
}

// askedCode is the exit code given to an error, or zero.
func askedCode(err error) (code int) {
	walk(err, func(e *Error) bool {
		code = e.Code
		return code == 0
	})
	return code
}

// Hints collects the advice in the tree of an error, outermost first, each
// once.
func Hints(err error) []string {
	var hints []string
	seen := map[string]bool{}
	walk(err, func(e *Error) bool {
		for _, hint := range e.Hints {
			if !seen[hint] {
				seen[hint] = true
				hints = append(hints, hint)
			}
		}
		return true
	})
	return hints
}

// walk visits the tree of an error, outermost first and joined errors in their
// order, until visit returns false; it then returns false itself.
func walk(err error, visit func(*Error) bool) bool {
	if e, ok := err.(*Error); ok && !visit(e) { //nolint:errorlint // walks the tree itself
		return false
	}
	switch wrapper := err.(type) { //nolint:errorlint // walks the tree itself
	case interface{ Unwrap() error }:
		return walk(wrapper.Unwrap(), visit)
	case interface{ Unwrap() []error }:
		for _, child := range wrapper.Unwrap() {
			if !walk(child, visit) {
				return false
			}
		}
	}
	return true
}

// errorObject is an error under --output=json, on standard error.
type errorObject struct {
	Error string   `json:"error"`
	Hints []string `json:"hints,omitempty"`
	Code  int      `json:"code"`
}

// PrintError writes an error for a person (one line, then a line per hint) or,
// with FormatJSON, as one object on one line.
func PrintError(w io.Writer, format Format, err error) {
	if format == FormatJSON {
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		_ = encoder.Encode(errorObject{Error: err.Error(), Hints: Hints(err), Code: ExitCode(err)})
		return
	}
	_, _ = fmt.Fprintf(w, "error: %v\n", err)
	for _, hint := range Hints(err) {
		_, _ = fmt.Fprintf(w, "hint: %s\n", hint)
	}
}

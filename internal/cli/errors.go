package cli

import (
	"context"
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

// WithCode makes the program end with the given exit code. A nil error stays
// nil.
func WithCode(err error, code int) error {
	if err == nil {
		return nil
	}
	return &Error{Err: err, Code: code}
}

// ExitCode is the exit code that an error asks for: the outermost one given.
func ExitCode(err error) int {
	if err == nil {
		return ExitOK
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		if coded, ok := e.(*Error); ok && coded.Code != 0 { //nolint:errorlint // walks the chain itself
			return coded.Code
		}
	}
	if errors.Is(err, context.Canceled) {
		return ExitInterrupted
	}
	return ExitFailed
}

// Hints collects the advice along the chain of an error, outermost first.
func Hints(err error) []string {
	var hints []string
	for e := err; e != nil; e = errors.Unwrap(e) {
		if hinted, ok := e.(*Error); ok { //nolint:errorlint // walks the chain itself
			hints = append(hints, hinted.Hints...)
		}
	}
	return hints
}

// errorObject is an error under --output=json, on standard error.
type errorObject struct {
	Error string   `json:"error"`
	Hints []string `json:"hints,omitempty"`
	Code  int      `json:"code"`
}

// PrintError writes an error for a person (one line, then a line per hint) or,
// with FormatJSON, as one object.
func PrintError(w io.Writer, format Format, err error) {
	if format == FormatJSON {
		_ = json.NewEncoder(w).Encode(errorObject{Error: err.Error(), Hints: Hints(err), Code: ExitCode(err)})
		return
	}
	_, _ = fmt.Fprintf(w, "error: %v\n", err)
	for _, hint := range Hints(err) {
		_, _ = fmt.Fprintf(w, "hint: %s\n", hint)
	}
}

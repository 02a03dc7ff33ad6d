package discovery

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery/internal/document"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// Problem is why the images of an application cannot be told.
type Problem struct {
	// File and Line are the place, as in Place.
	File string
	Line int
	// Err says what is wrong; it carries hints, as cli.Hints reads them.
	Err error
}

// Problemf is a problem with a hint about what to do; without one if hint is
// empty.
func Problemf(file string, line int, hint, format string, args ...any) Problem {
	err := fmt.Errorf(format, args...)
	if hint != "" {
		err = cli.WithHint(err, "%s", hint)
	}
	return Problem{File: file, Line: line, Err: err}
}

// Error returns file, line and message.
func (p Problem) Error() string { return position(p.File, p.Line) + ": " + p.Err.Error() }

// Unwrap returns the cause.
func (p Problem) Unwrap() error { return p.Err }

// Problems are all problems of an application, in the order of files.
type Problems []Problem

// Error returns a line for each problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the problems one by one.
func (p Problems) Unwrap() []error {
	errs := make([]error, len(p))
	for i, problem := range p {
		errs[i] = problem
	}
	return errs
}

// orNil is the problems in order as an error, each once; nil if there are none.
func (p Problems) orNil() error {
	if len(p) == 0 {
		return nil
	}
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line),
			strings.Compare(a.Err.Error(), b.Err.Error()))
	})
	return slices.CompactFunc(p, func(a, b Problem) bool { return a.Error() == b.Error() })
}

// unreadable is the problem of a file that could not be parsed. Its first line
// is offset lines further down in the file.
func unreadable(file string, offset int, err error) Problem {
	if at, ok := err.(*document.Error); ok { //nolint:errorlint // parsers return it as it is
		return Problem{File: file, Line: at.Line + offset, Err: fmt.Errorf("%s", at.Message)}
	}
	return Problem{File: file, Err: err}
}

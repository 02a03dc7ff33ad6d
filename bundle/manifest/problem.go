package manifest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Problem is something about a manifest that its author should change.
type Problem struct {
	// File is the name of the manifest, as it was given to Parse.
	File string `json:"file"`
	// Line and Column say where it is, from one; zero where that is not known.
	// Columns count characters.
	Line   int `json:"line,omitempty"`
	Column int `json:"column,omitempty"`
	// Path is the field, such as nodeProfiles[0].requirements.cpu.min; empty
	// where it is about the file.
	Path string `json:"path,omitempty"`
	// Message says what is wrong.
	Message string `json:"message"`
	// Hint says what to write instead.
	Hint string `json:"hint,omitempty"`
}

// Error returns the problem on one line: place, field, message; hint.
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ": line %d", p.Line)
		if p.Column > 0 {
			fmt.Fprintf(&b, ", column %d", p.Column)
		}
	}
	if p.Path != "" {
		b.WriteString(": " + p.Path)
	}
	b.WriteString(": " + p.Message)
	if p.Hint != "" {
		b.WriteString("; " + p.Hint)
	}
	return b.String()
}

// Warnings are about what a manifest may say although it has no effect, or not
// the one that it had.
type Warnings []Problem

// Errors are all reasons why a manifest is refused, in the order of the file.
type Errors struct {
	// Problems are the first MaxProblems problems.
	Problems []Problem
	// More is how many others there are.
	More int
}

// Error returns the problems, one on a line.
func (e *Errors) Error() string {
	lines := make([]string, 0, len(e.Problems)+1)
	for _, problem := range e.Problems {
		lines = append(lines, problem.Error())
	}
	if e.More > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", e.More))
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the problems.
func (e *Errors) Unwrap() []error {
	errs := make([]error, 0, len(e.Problems))
	for _, problem := range e.Problems {
		errs = append(errs, problem)
	}
	return errs
}

// report collects problems and warnings. Those beyond MaxProblems are only
// counted.
type report struct {
	file     string
	errors   []Problem
	warnings []Problem
	more     int
}

func (r *report) fail(p Problem) {
	p.File = r.file
	if len(r.errors) >= MaxProblems {
		r.more++
		return
	}
	r.errors = append(r.errors, p)
}

func (r *report) warn(p Problem) {
	p.File = r.file
	if len(r.warnings) < MaxProblems {
		r.warnings = append(r.warnings, p)
	}
}

// result returns the problems as an error, and the warnings, in the order of
// the file.
func (r *report) result() (Warnings, error) {
	inOrder := func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path))
	}
	slices.SortStableFunc(r.warnings, inOrder)
	if len(r.errors) == 0 {
		return r.warnings, nil
	}
	slices.SortStableFunc(r.errors, inOrder)
	return r.warnings, &Errors{Problems: r.errors, More: r.more}
}

// maxQuoted is how much of a value a message repeats, in bytes.
const maxQuoted = 60

// quote is a value for a message: short, on one line, without control
// characters.
func quote[T string | []byte](value T) string {
	text := string(value)
	if len(text) > maxQuoted {
		end := maxQuoted
		for end > 0 && !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end] + "…"
	}
	return strconv.Quote(text)
}

// quoteAll lists values for a message.
func quoteAll(values []string) string {
	quoted := make([]string, 0, len(values))
	for _, value := range values {
		quoted = append(quoted, quote(value))
	}
	return strings.Join(quoted, ", ")
}

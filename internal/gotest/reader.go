package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// event is a line of `go test -json`; see `go doc test2json`.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

// reader turns events into go test's short output, and into results.
type reader struct {
	w       io.Writer
	results []result
	// running holds the output so far of each test that has not ended, by
	// package and test; a package's own output is that of test "".
	running map[string]map[string]*strings.Builder
}

func newReader(w io.Writer) *reader {
	return &reader{w: w, running: map[string]map[string]*strings.Builder{}}
}

// read reads events until the end of the stream. What is not an event is
// passed on.
func (r *reader) read(stream io.Reader) error {
	lines := bufio.NewReader(stream)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil {
				r.handle(e)
			} else {
				_, _ = r.w.Write(line)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the output of go test: %w", err)
		}
	}
}

func (r *reader) handle(e event) {
	switch e.Action {
	case "build-output":
		fmt.Fprint(r.w, e.Output)
	case "run":
		r.output(e)
	case "output":
		r.output(e).WriteString(e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.endPackage(e)
		} else {
			r.endTest(e)
		}
	}
}

func (r *reader) output(e event) *strings.Builder {
	tests := r.running[e.Package]
	if tests == nil {
		tests = map[string]*strings.Builder{}
		r.running[e.Package] = tests
	}
	if tests[e.Test] == nil {
		tests[e.Test] = &strings.Builder{}
	}
	return tests[e.Test]
}

func (r *reader) endTest(e event) {
	output := withoutMarks(r.output(e).String())
	delete(r.running[e.Package], e.Test)
	ended := result{Package: e.Package, Test: e.Test, Status: status(e.Action)}
	switch ended.Status {
	case failed:
		fmt.Fprint(r.w, output)
	case skipped:
		ended.Reason = reason(output)
	}
	r.results = append(r.results, ended)
}

// endPackage prints the package's line. Tests that have not ended when a
// package fails were cut off: by a panic, a timeout or os.Exit.
func (r *reader) endPackage(e event) {
	output := r.output(e).String()
	tests := r.running[e.Package]
	delete(r.running, e.Package)
	delete(tests, "")
	if e.Action == "fail" {
		for _, test := range slices.Sorted(maps.Keys(tests)) {
			fmt.Fprint(r.w, withoutMarks(tests[test].String()))
			r.results = append(r.results, result{Package: e.Package, Test: test, Status: failed})
		}
		if !slices.ContainsFunc(r.results, func(o result) bool { return o.Package == e.Package && o.Status == failed }) {
			r.results = append(r.results, result{Package: e.Package, Status: failed})
		}
		fmt.Fprint(r.w, output)
		return
	}
	for line := range strings.Lines(output) {
		if strings.HasPrefix(line, "ok ") || strings.HasPrefix(line, "? ") {
			fmt.Fprint(r.w, line)
		}
	}
}

// withoutMarks leaves out the lines by which `go test -v` says which test is
// running.
func withoutMarks(output string) string {
	var kept strings.Builder
	for line := range strings.Lines(output) {
		if !strings.HasPrefix(line, "=== ") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// reason is what a test said when it skipped itself, without the position.
func reason(output string) string {
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "--- ") {
			continue
		}
		if _, text, found := strings.Cut(line, ": "); found {
			return text
		}
		return line
	}
	return ""
}

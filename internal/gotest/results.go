package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// status is how a test ended, in the words of `go test -json`.
type status string

const (
	passed  status = "pass"
	failed  status = "fail"
	skipped status = "skip"
)

// result is how one test ended in one run. A package that failed as a whole,
// as when it does not compile, is a result without a test.
type result struct {
	Package string `json:"package"`
	Test    string `json:"test,omitempty"`
	Status  status `json:"status"`
	// Reason is what a skipped test said.
	Reason string `json:"reason,omitempty"`
}

func (r result) name() string {
	if r.Test == "" {
		return r.Package
	}
	return r.Package + " " + r.Test
}

func anyFailed(results []result) bool {
	return slices.ContainsFunc(results, func(r result) bool { return r.Status == failed })
}

func appendResults(path string, results []result) (err error) {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("record the results: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	encoder := json.NewEncoder(file)
	for _, r := range results {
		if err := encoder.Encode(r); err != nil {
			return fmt.Errorf("record the results: %w", err)
		}
	}
	return nil
}

// readResults reads what appendResults wrote. Without a file no test has run.
func readResults(path string) ([]result, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the results: %w", err)
	}
	defer file.Close()
	var results []result
	decoder := json.NewDecoder(file)
	for {
		var r result
		switch err := decoder.Decode(&r); {
		case errors.Is(err, io.EOF):
			return results, nil
		case err != nil:
			return nil, fmt.Errorf("read the results of %s: %w", path, err)
		}
		results = append(results, r)
	}
}

// account is the end result of each test, over all runs, by name.
type account map[string]result

// merge takes the worst that was seen of a test; a skip counts only where no
// run did better.
func merge(results []result) account {
	rank := map[status]int{skipped: 0, passed: 1, failed: 2}
	merged := account{}
	for _, r := range results {
		if old, ok := merged[r.name()]; !ok || rank[r.Status] > rank[old.Status] {
			merged[r.name()] = r
		}
	}
	return merged
}

// with returns the results of one status, sorted by name.
func (a account) with(s status) []result {
	var found []result
	for _, r := range a {
		if r.Status == s {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b result) int { return strings.Compare(a.name(), b.name()) })
	return found
}

// print lists the tests that were skipped and that failed; the last line is
// the count.
func (a account) print(w io.Writer) error {
	for _, r := range a.with(skipped) {
		fmt.Fprintf(w, "skipped: %s: %s\n", r.name(), r.Reason)
	}
	for _, r := range a.with(failed) {
		fmt.Fprintf(w, "failed: %s\n", r.name())
	}
	_, err := fmt.Fprintf(w, "%d passed, %d failed, %d skipped\n",
		len(a.with(passed)), len(a.with(failed)), len(a.with(skipped)))
	return err
}

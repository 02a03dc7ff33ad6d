package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRun(t *testing.T) {
	const module = "example.test/module/"
	for _, test := range []struct {
		args   string
		fails  bool
		want   []string // lines or parts of lines, in this order
		hidden []string
	}{
		{
			args: "./mixed ./empty", fails: true,
			want: []string{
				"mixed_test.go:9: this went wrong", "FAIL\t" + module + "mixed",
				"skipped: " + module + "mixed TestSkips: needs root: run it as root\n",
				"failed: " + module + "mixed TestFails\n",
				"failed: " + module + "mixed TestFails/bad\n",
				"3 passed, 2 failed, 1 skipped\n",
			},
			hidden: []string{"not to be seen", "=== RUN", "--- PASS"},
		},
		{args: "-short -run Short ./mixed", want: []string{"ok  \t" + module + "mixed", "0 passed, 0 failed, 1 skipped\n"}},
		{args: "-run Passes ./mixed ./empty", want: []string{"ok  \t" + module + "mixed", "1 passed, 0 failed, 0 skipped\n"}},
		{args: "./empty", want: []string{"?   \t" + module + "empty\t[no test files]\n", "0 passed, 0 failed, 0 skipped\n"}},
		{args: "-C mixed -run Passes .", want: []string{"ok  \t" + module + "mixed", "1 passed, 0 failed, 0 skipped\n"}},
		{args: "./panics", fails: true, want: []string{"panic: out of luck", "failed: " + module + "panics TestPanics\n", "0 passed, 1 failed, 0 skipped\n"}},
		{args: "./broken", fails: true, want: []string{"undefined: undefined", "failed: " + module + "broken\n", "0 passed, 1 failed, 0 skipped\n"}},
		{args: "./missing", fails: true, want: []string{"missing", "0 passed, 1 failed, 0 skipped\n"}},
		{args: "-count=x ./mixed", fails: true, want: []string{"failed: go test -count=x ./mixed\n", "0 passed, 1 failed, 0 skipped\n"}},
	} {
		t.Run(test.args, func(t *testing.T) {
			t.Chdir("testdata/module")
			t.Setenv(recordVariable, "")
			var output strings.Builder
			if err := run(t.Context(), &output, strings.Fields(test.args)); errors.Is(err, errTestsFailed) != test.fails {
				t.Errorf("error %v, want a failure: %t", err, test.fails)
			}
			rest := output.String()
			for _, want := range test.want {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Fatalf("no %q (in its place) in:\n%s", want, output.String())
				}
				rest = after
			}
			if rest != "" {
				t.Errorf("%q after the count", rest)
			}
			for _, hidden := range test.hidden {
				if strings.Contains(output.String(), hidden) {
					t.Errorf("%q is shown in:\n%s", hidden, output.String())
				}
			}
		})
	}
}

// TestRunsAreOneAccount checks that a test which only the longer run runs has
// passed, and that a record replaces the run's own count.
func TestRunsAreOneAccount(t *testing.T) {
	record := filepath.Join(t.TempDir(), "record")
	t.Setenv(recordVariable, record)
	t.Chdir("testdata/module")
	for _, args := range []string{"-short -run Short ./mixed", "-run Short|Skips ./mixed"} {
		var output strings.Builder
		if err := run(t.Context(), &output, strings.Fields(args)); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(output.String(), "passed") {
			t.Errorf("go test %s counted for itself:\n%s", args, output.String())
		}
	}
	results, err := readResults(record)
	if err != nil {
		t.Fatal(err)
	}
	var output strings.Builder
	if err := merge(results).print(&output); err != nil {
		t.Fatal(err)
	}
	want := "skipped: example.test/module/mixed TestSkips: needs root: run it as root\n1 passed, 0 failed, 1 skipped\n"
	if diff := cmp.Diff(want, output.String()); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

func TestMergeTakesTheWorst(t *testing.T) {
	const s, p, f = skipped, passed, failed
	for _, test := range []struct {
		seen []status
		want status
	}{
		{[]status{s, p}, p},
		{[]status{p, s}, p},
		{[]status{p, f, p}, f},
		{[]status{f, s}, f},
		{[]status{s, s}, s},
	} {
		var results []result
		for _, seen := range test.seen {
			results = append(results, result{Package: "p", Test: "T", Status: seen})
		}
		if got := merge(results)["p T"].Status; got != test.want {
			t.Errorf("%v merged to %s, want %s", test.seen, got, test.want)
		}
	}
}

func TestReadResults(t *testing.T) {
	dir := t.TempDir()
	if results, err := readResults(filepath.Join(dir, "missing")); err != nil || len(results) > 0 {
		t.Errorf("without a file: %v, %v", results, err)
	}
	damaged := filepath.Join(dir, "damaged")
	if err := os.WriteFile(damaged, []byte(`{"package":"p","status":"pass"}`+"\n{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := readResults(damaged); err == nil || !strings.Contains(err.Error(), damaged) {
		t.Errorf("error %v does not name the damaged file", err)
	}
}

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestRunParts tests the runner of CI's parts, tools/run-parts, which ends
// with this program's summary.
func TestRunParts(t *testing.T) {
	const table = `# part  cold warm load needs command
first   60 60 1 -       echo first runs; test ! -t 0
broken  60 60 2 first   echo broken runs; exit 7
after   60 60 1 first,broken  echo after runs
slow    0  60 1 -       sleep 1.1
counts  60 60 1 first   echo '{"package":"p","test":"T","status":"pass"}' >>"$GOTEST_RECORD"
`
	for _, test := range []struct {
		name  string
		parts []string
		code  int
		want  []string // regular expressions, in this order
		never []string
	}{
		{
			name: "all", code: 1,
			want: []string{
				`first runs`, `broken runs`, `broken: FAILED with exit code 7`, `after: not run, as broken did not succeed`,
				`(?m)^first +0m0\ds +1m00s  ok$`,
				`(?m)^broken +0m0\ds +1m00s  FAILED$`,
				`(?m)^after +- +-  not run$`,
				`(?m)^slow +0m0\ds +0m00s  ok  OVER BUDGET \(cold\)$`,
				`(?m)^all of it took 0m0\ds$`,
				`1 passed, 0 failed, 0 skipped\n$`,
			},
			never: []string{"after runs"},
		},
		{name: "chosen", parts: []string{"counts", "first"}, want: []string{`(?m)^counts .*ok$`, `1 passed`}, never: []string{"broken"}},
		{name: "needs not chosen", parts: []string{"after"}, want: []string{`after runs`}, never: []string{"first runs"}},
		{name: "unknown", parts: []string{"nothing"}, code: 2, want: []string{`error: no part of .* is called so: nothing`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, output := runParts(t, t.TempDir(), table, test.parts...)
			if code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			rest := output
			for _, want := range test.want {
				at := regexp.MustCompile(want).FindStringIndex(rest)
				if at == nil {
					t.Fatalf("no %q (in its place) in:\n%s", want, output)
				}
				rest = rest[at[1]:]
			}
			for _, never := range test.never {
				if strings.Contains(output, never) {
					t.Errorf("%q is in:\n%s", never, output)
				}
			}
		})
	}
}

// TestRunPartsBudgets checks that the warm budget holds from the second time
// on.
func TestRunPartsBudgets(t *testing.T) {
	cache := t.TempDir()
	const table = "part 60 0 1 - sleep 1.1\n"
	if _, output := runParts(t, cache, table); strings.Contains(output, "OVER") {
		t.Errorf("over budget the first time:\n%s", output)
	}
	if code, output := runParts(t, cache, table); code != 0 || !strings.Contains(output, "OVER BUDGET (warm)") {
		t.Errorf("exit code %d, not over budget the second time:\n%s", code, output)
	}
}

// TestRunPartsTogether checks who runs at the same time: a meets b, which waits
// for it, and nobody meets alone, nor overtakes it.
func TestRunPartsTogether(t *testing.T) {
	t.Setenv("MARKS", t.TempDir())
	const table = `a     60 60 1 - touch $MARKS/a; until test -e $MARKS/b; do sleep 0.05; done
b     60 60 1 - touch $MARKS/b; until test -e $MARKS/a; do sleep 0.05; done; sleep 0.5; rm $MARKS/*
alone 60 60 2 - test -z "$(ls $MARKS)"; touch $MARKS/alone; sleep 0.5; rm $MARKS/alone
late  60 60 1 - test -z "$(ls $MARKS)"
`
	if code, output := runParts(t, t.TempDir(), table); code != 0 {
		t.Errorf("exit code %d:\n%s", code, output)
	}
}

// TestRunPartsInterrupted checks that an interruption ends the parts, with what
// they started, and shows what they printed.
func TestRunPartsInterrupted(t *testing.T) {
	marks := t.TempDir()
	t.Setenv("MARKS", marks)
	const table = "part 60 60 1 - echo it began; (trap 'touch $MARKS/ended; exit' TERM; touch $MARKS/began; sleep 300 & wait) & wait\n"
	path := filepath.Join(t.TempDir(), "parts")
	if err := os.WriteFile(path, []byte(table), 0o644); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "bash", "-c", `tools/run-parts "$0" & pid=$!
until test -e $MARKS/began; do sleep 0.05; done; kill -TERM $pid; wait $pid; echo "exit code $?"
for try in $(seq 100); do test -e $MARKS/ended && echo "its child ended" && break; sleep 0.05; done`, path)
	command.Dir = "../.."
	command.Env = append(os.Environ(), "CACHE="+t.TempDir())
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, output)
	}
	for _, want := range []string{"part: interrupted\nit began\n", "exit code 130\n", "its child ended\n"} {
		if !strings.Contains(string(output), want) {
			t.Errorf("no %q in:\n%s", want, output)
		}
	}
}

func runParts(t *testing.T, cache, table string, parts ...string) (int, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "parts")
	if err := os.WriteFile(path, []byte(table), 0o644); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "tools/run-parts", append([]string{path}, parts...)...)
	command.Dir = "../.."
	command.Env = append(os.Environ(), "CACHE="+cache)
	output, err := command.CombinedOutput()
	if err == nil {
		return 0, string(output)
	}
	exit, exited := errors.AsType[*exec.ExitError](err)
	if !exited {
		t.Fatal(err)
	}
	return exit.ExitCode(), string(output)
}

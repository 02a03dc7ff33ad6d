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
	const table = `# part  cold warm needs command
first   60 60 -       echo first runs; test ! -t 0
broken  60 60 first   echo broken runs; exit 7
after   60 60 first,broken  echo after runs
slow    0  60 -       sleep 1.1
counts  60 60 first   echo '{"package":"p","test":"T","status":"pass"}' >>"$GOTEST_RECORD"
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
				`slow: ok .* OVER its cold budget of 0m00s`,
				`(?m)^first +0m0\ds +1m00s  ok$`,
				`(?m)^broken +0m0\ds +1m00s  FAILED$`,
				`(?m)^after +- +-  not run$`,
				`(?m)^slow +0m0\ds +0m00s  ok  OVER BUDGET \(cold\)$`,
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
	const table = "part 60 0 - sleep 1.1\n"
	if _, output := runParts(t, cache, table); strings.Contains(output, "OVER") {
		t.Errorf("over budget the first time:\n%s", output)
	}
	if code, output := runParts(t, cache, table); code != 0 || !strings.Contains(output, "OVER BUDGET (warm)") {
		t.Errorf("exit code %d, not over budget the second time:\n%s", code, output)
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

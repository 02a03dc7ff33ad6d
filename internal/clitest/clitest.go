// Package clitest tests the programs as a user's shell sees them, with scripts
// (testscript). The scripts beside this package hold for every program; a
// program has its own in testdata/script.
package clitest

import (
	"embed"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

//go:embed testdata/*.txtar
var embedded embed.FS

// Main is the TestMain of a program's package: scripts then run the program by
// its name.
func Main(m *testing.M, program string, main func()) {
	testscript.Main(m, map[string]func(){program: main})
}

// Run runs the scripts of all programs, then those in testdata/script. Scripts
// know the program as $program, and a command more than testscript has:
//
//	exits CODE PROGRAM ARGUMENT...
//
// runs a program that must end with that exit code.
//
// Each of the setups is called for each of the program's own scripts before it
// runs, to start what the script needs.
func Run(t *testing.T, program string, setups ...func(*testscript.Env) error) {
	t.Run("common", func(t *testing.T) {
		testscript.Run(t, parameters(program, commonScripts(t)))
	})
	if _, err := os.Stat("testdata/script"); !errors.Is(err, fs.ErrNotExist) {
		t.Run("own", func(t *testing.T) {
			testscript.Run(t, parameters(program, "testdata/script", setups...))
		})
	}
}

func parameters(program, dir string, setups ...func(*testscript.Env) error) testscript.Params {
	return testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("program", program)
			// The race detector's pause at the end of each of many processes.
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			for _, setup := range setups {
				if err := setup(env); err != nil {
					return err
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	}
}

func exits(script *testscript.TestScript, negated bool, args []string) {
	if negated || len(args) < 2 {
		script.Fatalf("usage: exits CODE PROGRAM ARGUMENT...")
	}
	want, err := strconv.Atoi(args[0])
	script.Check(err)
	got := 0
	if err := script.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			script.Fatalf("%s: %v", args[1], err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		script.Fatalf("%s: exit code %d, want %d", args[1], got, want)
	}
}

// commonScripts writes the scripts where testscript can read them.
func commonScripts(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	scripts, err := fs.Sub(embedded, "testdata")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "script"), scripts); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "script")
}

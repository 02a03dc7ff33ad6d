package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

func TestMain(m *testing.M) {
	// The processes of a lab are this executable, too.
	lab.SuperviseIfAsked()
	testscript.Main(m, map[string]func(){
		"lab": main,
		"lab-as-nobody": func() {
			if err := unix.Setuid(65534); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			main()
		},
	})
}

func TestScripts(t *testing.T) {
	cache := os.Getenv(lab.CacheVariable)
	if cache == "" {
		directory, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		cache = filepath.Join(directory, "gravity")
	}
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			env.Setenv(lab.DirVariable, filepath.Join(env.WorkDir, "labs"))
			env.Setenv(lab.CacheVariable, cache)
			env.Setenv(nameVariable, fmt.Sprintf("script-%d", os.Getpid()))
			return nil
		},
		Condition: func(name string) (bool, error) {
			switch name {
			case "root":
				return os.Geteuid() == 0, nil
			case "machines":
				return !testing.Short() && lab.Check() == nil, nil
			}
			return false, fmt.Errorf("no condition %q", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// exits runs a command that must end with the exit code before it.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	if err != nil {
		ts.Fatalf("%q is not an exit code", args[0])
	}
	var got int
	err = ts.Exec(args[1], args[2:]...)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

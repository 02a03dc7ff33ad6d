package lab_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

func TestMain(m *testing.M) {
	lab.SuperviseIfAsked()
	ownIfAsked()
	code := m.Run()
	if err := shared.close(); err != nil {
		fmt.Fprintln(os.Stderr, "close the shared lab:", err)
		code = 1
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// shared is the lab of all tests that leave their machines as they were, or
// add their own.
var shared sharedLab

type sharedLab struct {
	once sync.Once
	lab  *lab.Lab
	dir  string
	err  error
}

func (s *sharedLab) close() error {
	if s.lab == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := s.lab.Close(ctx)
	if _, statErr := os.Stat(s.dir); statErr == nil {
		return fmt.Errorf("%s is left; closing the lab said: %w", s.dir, err)
	}
	return err
}

// needMachines skips a test that cannot have machines.
func needMachines(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("boots machines; run without -short")
	}
	if err := lab.Check(); err != nil {
		t.Skip(err)
	}
}

// sharedMachines returns the lab with the machines one and two.
func sharedMachines(t *testing.T) *lab.Lab {
	t.Helper()
	needMachines(t)
	shared.once.Do(func() {
		// Not t.TempDir: the lab outlives the test that needs it first.
		shared.dir = filepath.Join(os.TempDir(), fmt.Sprintf("gravity-lab-test-%d", os.Getpid()))
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		shared.lab, shared.err = lab.New(ctx, lab.Options{
			Name: testName("shared"), Machines: []string{"one", "two"}, Dir: shared.dir, Log: os.Stderr,
		})
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.lab
}

// testName is a lab's name that no other process uses.
func testName(name string) string { return fmt.Sprintf("%s-%d", name, os.Getpid()) }

// newLab makes a lab that is closed after the test.
func newLab(t *testing.T, options lab.Options) *lab.Lab {
	t.Helper()
	needMachines(t)
	made, err := lab.New(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := made.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return made
}

// output runs a program in a machine and returns what it prints, trimmed.
func output(t *testing.T, machine *lab.Machine, args ...string) string {
	t.Helper()
	result, err := machine.Run(t.Context(), lab.Command{Args: args})
	if err != nil {
		t.Fatal(err)
	}
	return trim(result.Stdout)
}

// shell runs a script in a machine; each of its commands must succeed, or fail
// if "not" is before it. "!" would not do, since sh -e does not care for it.
func shell(t *testing.T, machine *lab.Machine, script string) string {
	t.Helper()
	const not = `not() { if "$@"; then echo "it should fail: $*" >&2; exit 99; fi; }; `
	return output(t, machine, "sh", "-euc", not+script)
}

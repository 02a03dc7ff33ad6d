package terraformtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// outcome is a test that writes down how Need ends it.
type outcome struct {
	testing.TB
	skipped bool
	failure string
}

func (o *outcome) Helper()                   {}
func (o *outcome) Skip(...any)               { o.skipped = true; panic(o) }
func (o *outcome) Fatalf(f string, _ ...any) { o.failure = f; panic(o) }

func need(t *testing.T) *outcome {
	o := &outcome{TB: t}
	func() {
		defer func() {
			if stopped := recover(); stopped != nil && stopped != any(o) {
				panic(stopped)
			}
		}()
		Need(o)
	}()
	return o
}

// TestNeed: without a Terraform, a test is skipped only where nobody asked for it.
func TestNeed(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("PATH", folder)
	t.Setenv(Path, "")
	t.Setenv("TF_ACC", "")
	if o := need(t); !o.skipped {
		t.Errorf("it is not skipped: %+v", o)
	}
	t.Setenv("TF_ACC", "1")
	if o := need(t); o.skipped || !strings.Contains(o.failure, "there is no Terraform") {
		t.Errorf("it does not fail: %+v", o)
	}
	program := filepath.Join(folder, "terraform")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TF_GRAVITY_SSH_PORT", "1")
	if o := need(t); o.skipped || o.failure != "" || os.Getenv(Path) != program || os.Getenv("TF_GRAVITY_SSH_PORT") != "" {
		t.Errorf("with a Terraform: %+v, %s", o, os.Getenv(Path))
	}
	t.Setenv(Path, filepath.Join(folder, "none"))
	if o := need(t); o.failure == "" {
		t.Error("one that is named and not there is not missed")
	}
}

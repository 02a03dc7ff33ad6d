package main

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

// TestVerifyStops says nothing about a bundle that it did not read to the end.
func TestVerifyStops(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shop.tar")
	if err := writeFixture("old", path); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout bytes.Buffer
	command := newCommand()
	command.SetArgs([]string{"verify", path})
	command.SetOut(&stdout)
	command.SilenceErrors, command.SilenceUsage = true, true
	if err := command.ExecuteContext(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	if stdout.Len() > 0 {
		t.Errorf("printed %q", stdout.String())
	}
}

func TestPrintProblems(t *testing.T) {
	problems := []report.Problem{
		{Message: "is cut off"},
		{Entry: "gravity", Message: "is missing"},
		{Entry: "packages/blobs/sha256/00", Owner: "image a:1", Message: "is missing"},
	}
	for len(problems) < maxProblems+5 {
		problems = append(problems, report.Problem{Entry: "README", Message: "is missing"})
	}
	var out bytes.Buffer
	printProblems(&out, problems)
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != maxProblems+1 {
		t.Fatalf("%d lines, want %d", len(lines), maxProblems+1)
	}
	for i, want := range map[int]string{
		0:           "error: end of the file: is cut off",
		1:           "error: entry gravity: is missing",
		2:           "error: entry packages/blobs/sha256/00 of image a:1: is missing",
		maxProblems: "error: and 5 more, which -o json lists",
	} {
		if lines[i] != want {
			t.Errorf("line %d: %q, want %q", i, lines[i], want)
		}
	}
}

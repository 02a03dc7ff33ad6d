package main

import (
	"slices"
	"testing"
)

// TestExecFlags wants the original's flags (S65), and those behind the command to
// be the command's own.
func TestExecFlags(t *testing.T) {
	for _, words := range [][]string{{"-ti", "ls", "-i", "/"}, {"--tty", "--interactive", "--", "ls", "-i", "/"}} {
		command := newExecCommand(&globals{})
		if err := command.ParseFlags(words); err != nil {
			t.Errorf("%q: %v", words, err)
		}
		if got := command.Flags().Args(); !slices.Equal(got, []string{"ls", "-i", "/"}) {
			t.Errorf("%q: runs %q", words, got)
		}
	}
}

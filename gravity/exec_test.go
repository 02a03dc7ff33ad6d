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

func TestEntering(t *testing.T) {
	for _, test := range []struct {
		words, want []string
		tty         bool
	}{
		{nil, []string{"/bin/bash"}, true},
		{[]string{"--notty"}, []string{"/bin/bash"}, false},
		{[]string{"ls", "-l"}, []string{"ls", "-l"}, true},
		{[]string{"--notty", "/bin/sh", "--", "-c", "echo --"}, []string{"/bin/sh", "-c", "echo --"}, false},
		{[]string{"git", "log", "--", "x"}, []string{"git", "log", "--", "x"}, true},
	} {
		if args, tty := entering(test.words); !slices.Equal(args, test.want) || tty != test.tty {
			t.Errorf("%q: %q, %v", test.words, args, tty)
		}
	}
}

package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// newProgram is a tree with every kind of command that programs have.
func newProgram() *cobra.Command {
	root := &cobra.Command{Use: "prog"}

	var format Format
	status := &cobra.Command{Use: "status", RunE: func(command *cobra.Command, _ []string) error {
		return PrintJSON(command.OutOrStdout(), map[string]string{"state": "<active>"})
	}}
	AddOutputFlag(status, &format)
	status.Flags().Int("retries", 0, "")

	var events Format
	build := &cobra.Command{Use: "build", Args: cobra.ExactArgs(1), RunE: func(*cobra.Command, []string) error {
		return errors.New("no manifest")
	}}
	build.Flags().StringP("output", "o", "", "file to write")
	AddFormatFlag(build, &events)

	join := &cobra.Command{Use: "join", RunE: func(*cobra.Command, []string) error { return nil }}
	join.Flags().String("token", "", "")
	_ = join.MarkFlagRequired("token")
	join.Flags().Bool("fast", false, "")
	join.Flags().Bool("slow", false, "")
	join.MarkFlagsMutuallyExclusive("fast", "slow")

	group := &cobra.Command{Use: "plan"}
	group.AddCommand(&cobra.Command{Use: "resume", RunE: func(command *cobra.Command, _ []string) error {
		if err := command.Context().Err(); err != nil {
			return fmt.Errorf("resume: %w", err)
		}
		return nil
	}}, &cobra.Command{Use: "interrupted", RunE: func(*cobra.Command, []string) error {
		return fmt.Errorf("phase: %w: too slow", ErrInterrupted)
	}}, &cobra.Command{Use: "degraded", RunE: func(*cobra.Command, []string) error {
		return WithCode(errors.New("one node is down"), ExitDegraded)
	}})
	root.AddCommand(status, build, join, group, NewVersionCommand("prog"))
	return root
}

func TestRun(t *testing.T) {
	for _, test := range []struct {
		args   string
		code   int
		stdout string // a part of it; nothing may be printed when empty
		stderr string // all of it
	}{
		{"", ExitOK, "prog [command]", ""},
		{"status", ExitOK, `"state": "<active>"`, ""},
		{"help status", ExitOK, "--retries int", ""},
		{"plan", ExitOK, "prog plan [command]", ""},
		{"version", ExitOK, "prog ", ""},
		{"plan resume", ExitOK, "", ""},
		{"plan degraded", ExitDegraded, "", "error: one node is down\n"},

		{"nothing", ExitUsage, "", "error: prog: no such command \"nothing\"\nhint: see 'prog --help'\n"},
		{"statsu", ExitUsage, "", "error: prog: no such command \"statsu\"\nhint: did you mean 'prog status'?\n"},
		{"plan resum", ExitUsage, "", "error: prog plan: no such command \"resum\"\nhint: did you mean 'prog plan resume'?\n"},
		{"help nothing", ExitUsage, "", "error: prog: no such command \"nothing\"\nhint: see 'prog --help'\n"},
		{"completion nothing", ExitUsage, "", "error: prog completion: no such command \"nothing\"\nhint: see 'prog completion --help'\n"},
		{"--nothing", ExitUsage, "", "error: prog: unknown flag: --nothing\nhint: see 'prog --help'\n"},
		{"status extra", ExitUsage, "", "error: prog status: unexpected argument \"extra\"\nhint: usage: prog status [flags]\n"},
		{"build", ExitUsage, "", "error: prog build: accepts 1 arg(s), received 0\nhint: usage: prog build [flags]\n"},
		{"build app.yaml", ExitFailed, "", "error: no manifest\n"},
		{"status --retries=many", ExitUsage, "", "error: prog status: invalid argument \"many\" for \"--retries\" flag: " +
			"strconv.ParseInt: parsing \"many\": invalid syntax\nhint: see 'prog status --help'\n"},
		{"status -o xml", ExitUsage, "", "error: prog status: invalid argument \"xml\" for \"-o, --output\" flag: " +
			"\"xml\" is not a format, use text or json\nhint: see 'prog status --help'\n"},
		{"join", ExitUsage, "", "error: prog join: required flag(s) \"token\" not set\nhint: usage: prog join [flags]\n"},
		{"join --token=a --fast --slow", ExitUsage, "", "error: prog join: if any flags in the group [fast slow] are set " +
			"none of the others can be; [fast slow] were all set\nhint: usage: prog join [flags]\n"},

		// With -o json an error is an object, whatever went wrong.
		{"status extra -o json", ExitUsage, "", `{"error":"prog status: unexpected argument \"extra\"","hints":["usage: prog status [flags]"],"code":2}` + "\n"},
		{"status --nothing --output json", ExitUsage, "", `{"error":"prog status: unknown flag: --nothing","hints":["see 'prog status --help'"],"code":2}` + "\n"},
		{"nothing -o json", ExitUsage, "", `{"error":"prog: no such command \"nothing\"","hints":["see 'prog --help'"],"code":2}` + "\n"},
		{"build app.yaml --format=json", ExitFailed, "", `{"error":"no manifest","code":1}` + "\n"},
		{"build app.yaml -o json", ExitFailed, "", "error: no manifest\n"}, // -o names a file
	} {
		t.Run(test.args, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			root := newProgram()
			root.SetOut(&stdout)
			root.SetErr(&stderr)
			if code := run(t.Context(), root, strings.Fields(test.args)); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if !strings.Contains(stdout.String(), test.stdout) || test.stdout == "" && stdout.Len() > 0 {
				t.Errorf("stdout %q, want a part %q", stdout.String(), test.stdout)
			}
			if stderr.String() != test.stderr {
				t.Errorf("stderr\n%s\nwant\n%s", stderr.String(), test.stderr)
			}
		})
	}
}

func TestRunInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		args   string
		code   int
		stderr string
	}{
		{"plan resume", ExitInterrupted, "error: interrupted: resume: context canceled\n"},
		{"build app.yaml", ExitInterrupted, "error: interrupted: no manifest\n"},
		{"plan interrupted", ExitInterrupted, "error: phase: interrupted: too slow\n"},
		{"plan degraded", ExitDegraded, "error: one node is down\n"},
		{"status", ExitOK, ""},
	} {
		t.Run(test.args, func(t *testing.T) {
			var stderr bytes.Buffer
			root := newProgram()
			root.SetOut(&bytes.Buffer{})
			root.SetErr(&stderr)
			if code := run(ctx, root, strings.Fields(test.args)); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if stderr.String() != test.stderr {
				t.Errorf("stderr %q, want %q", stderr.String(), test.stderr)
			}
		})
	}
}

func TestSearchFormat(t *testing.T) {
	for args, want := range map[string]Format{
		"":                   FormatText,
		"-o json":            FormatJSON,
		"-ojson":             FormatJSON,
		"-o=json":            FormatJSON,
		"--output json":      FormatJSON,
		"--output=json":      FormatJSON,
		"a --bad -o json b":  FormatJSON,
		"-o text":            FormatText,
		"-o":                 FormatText,
		"--outputs=json":     FormatText,
		"-- -o json":         FormatText,
		"json":               FormatText,
		"--output jsonlines": FormatText,
	} {
		if got := searchFormat(strings.Fields(args), "output", "o"); got != want {
			t.Errorf("searchFormat(%q) = %s, want %s", args, got, want)
		}
	}
}

func TestCompletion(t *testing.T) {
	for args, want := range map[string]string{
		"__complete st":           "status\n:4\n",
		"__complete help pl":      "plan\n:4\n",
		"__complete status -o ":   "text\njson\n:4\n",
		"__complete plan re":      "resume\n:4\n",
		"__complete help plan de": "degraded\n:4\n",
	} {
		var stdout bytes.Buffer
		root := newProgram()
		root.SetOut(&stdout)
		root.SetErr(&bytes.Buffer{})
		if code := run(t.Context(), root, strings.Split(args, " ")); code != ExitOK {
			t.Errorf("%s: exit code %d", args, code)
		}
		if stdout.String() != want {
			t.Errorf("%s: %q, want %q", args, stdout.String(), want)
		}
	}
}

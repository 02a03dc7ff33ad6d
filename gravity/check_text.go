package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/preflight"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

// marks are what a line begins with.
var marks = map[string]string{
	string(preflight.StatusPassed):  "ok  ",
	string(preflight.StatusWarning): "warn",
	string(preflight.StatusFailed):  "FAIL",
	string(preflight.StatusSkipped): "skip",
}

// printPreflight writes the results. Failures are an error besides.
func printPreflight(out io.Writer, format cli.Format, made *report.Preflight) error {
	var err error
	if format == cli.FormatJSON {
		err = cli.PrintJSON(out, made)
	} else {
		_, err = out.Write(preflightText(made))
	}
	if err != nil || made.Passed {
		return err
	}
	var failed []string
	for _, check := range made.Checks {
		if check.Status == string(preflight.StatusFailed) {
			failed = append(failed, check.Name)
		}
	}
	return cli.WithHint(fmt.Errorf("this machine cannot become a node: %s", strings.Join(failed, ", ")),
		"do what the lines of these checks say; --skip-check=NAME goes on without one")
}

func preflightText(made *report.Preflight) []byte {
	var text bytes.Buffer
	width := 0
	for _, check := range made.Checks {
		width = max(width, len(check.Name))
	}
	indent := strings.Repeat(" ", len("FAIL  ")+width+2)
	for _, check := range made.Checks {
		fmt.Fprintf(&text, "%s  %-*s  %s\n", marks[check.Status], width, check.Name, printable(check.Measured))
		if check.Remedy == "" {
			continue
		}
		if check.Wanted != "" {
			fmt.Fprintf(&text, "%swanted: %s\n", indent, printable(check.Wanted))
		}
		for _, detail := range check.Details {
			fmt.Fprintf(&text, "%s| %s\n", indent, printable(detail))
		}
		fmt.Fprintf(&text, "%sremedy: %s\n", indent, printable(check.Remedy))
	}
	counts := made.Counts
	warnings := "warnings"
	if counts.Warnings == 1 {
		warnings = "warning"
	}
	fmt.Fprintf(&text, "%d passed, %d %s, %d failed, %d skipped\n",
		counts.Passed, counts.Warnings, warnings, counts.Failed, counts.Skipped)
	return text.Bytes()
}

// printable is a text without what would change a terminal or begin a line: a
// manifest or a script may have written it.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f {
			return '?'
		}
		return r
	}, text)
}

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestExitCode(t *testing.T) {
	plain := errors.New("it broke")
	degraded := WithCode(plain, ExitDegraded)
	for _, test := range []struct {
		name string
		err  error
		want int
	}{
		{"no error", nil, ExitOK},
		{"plain", plain, ExitFailed},
		{"usage", Usagef("no such node %q", "a"), ExitUsage},
		{"coded", degraded, ExitDegraded},
		{"wrapped", fmt.Errorf("status: %w", degraded), ExitDegraded},
		{"hinted", WithHint(degraded, "look"), ExitDegraded},
		{"outermost wins", WithCode(fmt.Errorf("status: %w", degraded), ExitUsage), ExitUsage},
		{"joined", errors.Join(plain, degraded), ExitDegraded},
		{"two causes", fmt.Errorf("%w: %w", plain, degraded), ExitDegraded},
		{"first of joined", errors.Join(Usagef("bad"), degraded), ExitUsage},
		{"cancelled by something else than a signal", fmt.Errorf("dial: %w", context.Canceled), ExitFailed},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := ExitCode(test.err); got != test.want {
				t.Errorf("ExitCode(%v) = %d, want %d", test.err, got, test.want)
			}
		})
	}
}

func TestHints(t *testing.T) {
	inner := WithHint(errors.New("dial: refused"), "start the agent")
	for _, test := range []struct {
		name string
		err  error
		want []string
	}{
		{"none", errors.New("it broke"), nil},
		{"outermost first", WithHint(fmt.Errorf("join: %w", inner), "try %s", "later"), []string{"try later", "start the agent"}},
		{"of joined errors", errors.Join(inner, WithHint(errors.New("no space"), "free some")), []string{"start the agent", "free some"}},
		{"equal ones once", errors.Join(inner, inner), []string{"start the agent"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Hints(test.err)); diff != "" {
				t.Errorf("hints mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNilStaysNil(t *testing.T) {
	if err := WithHint(nil, "hint"); err != nil {
		t.Errorf("WithHint(nil) = %v", err)
	}
	if err := WithCode(nil, ExitUsage); err != nil {
		t.Errorf("WithCode(nil) = %v", err)
	}
}

func TestErrorsKeepTheirCause(t *testing.T) {
	cause := errors.New("cause")
	err := WithHint(WithCode(fmt.Errorf("open: %w", cause), ExitUsage), "hint")
	if !errors.Is(err, cause) {
		t.Errorf("%v does not wrap its cause", err)
	}
	if want := "open: cause"; err.Error() != want {
		t.Errorf("message %q, want %q", err, want)
	}
}

func TestPrintError(t *testing.T) {
	err := WithHint(Usagef("a < b"), "run it again")

	var text strings.Builder
	PrintError(&text, FormatText, err)
	if want := "error: a < b\nhint: run it again\n"; text.String() != want {
		t.Errorf("text %q, want %q", text.String(), want)
	}

	var object strings.Builder
	PrintError(&object, FormatJSON, err)
	if want := `{"error":"a < b","hints":["run it again"],"code":2}` + "\n"; object.String() != want {
		t.Errorf("JSON %q, want %q", object.String(), want)
	}
	if !json.Valid([]byte(object.String())) {
		t.Errorf("not JSON: %s", object.String())
	}
}

package main

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/removal"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// TestFollow prints a line when a removal is launched and, for programs that wait, one
// object with how it has ended.
func TestFollow(t *testing.T) {
	const line = `launched operation "shrink-1", use 'gravity status' to poll its progress`
	object := func(state string) string {
		return `{"id":"shrink-1","type":"operation_shrink","cluster":"c","state":"` + state + `"}`
	}
	failed := errors.New("no room")
	for _, test := range []struct {
		name   string
		format cli.Format
		wait   bool
		state  operation.State
		err    error
		want   string
	}{
		{"text", cli.FormatText, false, "", nil, line},
		{"text, to its end", cli.FormatText, true, operation.Completed, nil, line},
		{"text, failed", cli.FormatText, true, operation.InProgress, failed, line},
		{"object", cli.FormatJSON, false, "", nil, object("in_progress")},
		{"object, to its end", cli.FormatJSON, true, operation.Completed, nil, object("completed")},
		{"object, failed for good", cli.FormatJSON, true, operation.Failed, nil, object("failed")},
		{"object, failed", cli.FormatJSON, true, operation.InProgress, failed, object("in_progress")},
		{"object, interrupted", cli.FormatJSON, true, "", failed, object("in_progress")},
	} {
		r := &remove{departure: departure{globals: &globals{}, format: test.format}, wait: test.wait}
		command, out := &cobra.Command{}, &strings.Builder{}
		command.SetContext(t.Context())
		command.SetOut(out)
		waited := false
		err := r.follow(command, "node-2", &removal.Launched{OperationID: "shrink-1", Cluster: "c"}, func(context.Context) (operation.State, error) {
			waited = true
			return test.state, test.err
		})
		got := strings.TrimSpace(out.String())
		if test.format == cli.FormatJSON {
			got = strings.Join(strings.Fields(got), "")
		}
		if got != test.want || waited != test.wait {
			t.Errorf("%s: waited %t, printed %s", test.name, waited, got)
		}
		if bad := test.err != nil || test.state == operation.Failed; bad != (err != nil) || test.err != nil && !errors.Is(err, test.err) || bad != (len(cli.Hints(err)) == 1) {
			t.Errorf("%s: %v, hints %q", test.name, err, cli.Hints(err))
		}
	}
}

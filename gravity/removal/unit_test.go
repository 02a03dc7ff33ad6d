package removal

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// TestRecordedSilent says what to do about an API that does not answer, and only then.
func TestRecordedSilent(t *testing.T) {
	p := paths.Paths{Root: t.TempDir()}
	leadTo(t, p, "http://127.0.0.1:1")
	master := &node.Node{Name: "node-1", Master: true}
	_, err := recorded(t.Context(), p, master, 10*time.Millisecond)
	if hints := strings.Join(cli.Hints(err), "\n"); err == nil || !strings.Contains(hints, "etcd may have lost its quorum") {
		t.Errorf("%v, hints %q", err, hints)
	}
	interrupted := errors.New("interrupted")
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(interrupted)
	if _, err := recorded(ended, p, master, time.Minute); !errors.Is(err, interrupted) || len(cli.Hints(err)) > 0 {
		t.Errorf("when it is interrupted: %v, hints %q", err, cli.Hints(err))
	}
	_, _, p = newAPI(t) // it answers that there is no record
	if _, err := recorded(t.Context(), p, master, time.Minute); err == nil || len(cli.Hints(err)) > 0 {
		t.Errorf("without a record: %v, hints %q", err, cli.Hints(err))
	}
	if r, err := recorded(t.Context(), p, &node.Node{}, time.Minute); r != nil || err != nil {
		t.Errorf("a worker reads %v, %v", r, err)
	}
}

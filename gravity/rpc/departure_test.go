package rpc

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// TestDepartRefused keeps what an error of a departure is on its way: an answer, busy, or that
// a master could not find out.
func TestDepartRefused(t *testing.T) {
	files := authority(t, t.TempDir(), "master-1", time.Now())
	h := &host{}
	w := serve(t, files, h, "127.0.0.1:0")
	client, err := Dial(files, w.address())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, test := range []struct {
		err                error
		refused, notMember bool
		code               int
	}{
		{errors.New("the API does not answer"), false, false, cli.ExitFailed},
		{Refuse(errors.New("no quorum")), true, false, cli.ExitFailed},
		{cli.WithHint(Refuse(cli.Busy(errors.New("shrinking"))), "wait"), true, false, cli.ExitBusy},
		{fmt.Errorf("node-2 is %w", ErrNotMember), false, true, cli.ExitFailed},
	} {
		h.depart = func(Departure) (*Departing, error) { return nil, test.err }
		_, err := client.Depart(t.Context(), Departure{Node: "node-2"})
		if err == nil || err.Error() != test.err.Error() || len(cli.Hints(err)) != len(cli.Hints(test.err)) ||
			errors.Is(err, ErrRefused) != test.refused || errors.Is(err, ErrNotMember) != test.notMember || cli.ExitCode(err) != test.code {
			t.Errorf("%v becomes %v: refused %t, exit code %d", test.err, err, errors.Is(err, ErrRefused), cli.ExitCode(err))
		}
	}
}

func TestDepart(t *testing.T) {
	dir := t.TempDir()
	files := authority(t, dir, "master-1", time.Now())
	h := &host{depart: func(d Departure) (*Departing, error) {
		if d.Node == "node-3" {
			return nil, cli.WithHint(fmt.Errorf("node-3 is %w", ErrNotMember), "look elsewhere")
		}
		return &Departing{OperationID: "shrink-1", Started: d.Operation != ""}, nil
	}}
	w := serve(t, files, h, "127.0.0.1:0")
	for _, test := range []struct{ caller, node, id, err string }{
		{"master-1", "node-2", "shrink-1", ""},
		{"node-2", "node-2", "shrink-1", ""},
		{"node-2", "master-1", "", "may only remove itself"},
		{"node-3", "node-3", "", "not a member of the cluster"},
	} {
		client, err := Dial(authority(t, dir, test.caller, time.Now()), w.address())
		if err != nil {
			t.Fatal(err)
		}
		if key, err := client.MembershipKey(t.Context(), "1"); err != nil || string(key) != "key1" {
			t.Errorf("%s gets the key %q, %v", test.caller, key, err)
		}
		if failure, err := client.Wipe(t.Context()); (err == nil) != strings.HasPrefix(test.caller, "master") || (err == nil) != (failure == "busy") {
			t.Errorf("%s wipes the node: %q, %v", test.caller, failure, err)
		}
		id := ""
		answer, err := client.Depart(t.Context(), Departure{Node: test.node, Operation: "shrink-1"})
		if err == nil {
			id = answer.OperationID
		}
		if id != test.id || err == nil && !answer.Started || (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s removes %s: %q, %v", test.caller, test.node, id, err)
		}
		if test.node == "node-3" && (!errors.Is(err, ErrNotMember) || len(cli.Hints(err)) != 1) {
			t.Errorf("the error is %v with hints %q", err, cli.Hints(err))
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
}

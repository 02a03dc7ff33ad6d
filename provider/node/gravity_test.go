package node

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/provider/connection"
)

// TestPlan: what gravity prints is what the provider reads.
func TestPlan(t *testing.T) {
	content, err := os.ReadFile("../../gravity/operation/display/testdata/failed.json")
	if err != nil {
		t.Fatal(err)
	}
	var plan Plan
	if err := json.Unmarshal(content, &plan); err != nil {
		t.Fatal(err)
	}
	if plan.OperationID == "" || plan.OperationType != "operation_update" || plan.ClusterName != "example.com" {
		t.Errorf("the plan is %+v", plan)
	}
	var failed func(phases []Phase) []string
	failed = func(phases []Phase) (found []string) {
		for _, phase := range phases {
			if phase.State == "failed" && phase.Error != nil && phase.Error.Message != "" {
				found = append(found, phase.ID)
			}
			found = append(found, failed(phase.Phases)...)
		}
		return found
	}
	if len(failed(plan.Phases)) == 0 {
		t.Error("no phase has failed with a message")
	}
}

// recorder notes commands, and answers with nothing.
type recorder struct{ commands [][]string }

func (r *recorder) Run(_ context.Context, command connection.Command) (connection.Result, error) {
	r.commands = append(r.commands, command.Args)
	return connection.Result{Stdout: []byte("{}")}, nil
}

func TestGravityArguments(t *testing.T) {
	r := &recorder{}
	for _, node := range []*Node{New(r, Options{}), New(r, Options{StateDir: "/srv/gravity", Gravity: "/srv/bin/gravity"})} {
		if _, err := node.Status(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := node.Operation(t.Context(), "1"); err != nil {
			t.Error(err)
		}
		if _, err := node.Plan(t.Context(), "1"); err != nil {
			t.Error(err)
		}
	}
	other := []string{"-o", "json", "--state-dir", "/srv/gravity"}
	want := [][]string{
		{"gravity", "status", "-o", "json"},
		{"gravity", "status", "--operation-id", "1", "-o", "json"},
		{"gravity", "plan", "display", "--operation-id", "1", "-o", "json"},
		append([]string{"/srv/bin/gravity", "status"}, other...),
		append([]string{"/srv/bin/gravity", "status", "--operation-id", "1"}, other...),
		append([]string{"/srv/bin/gravity", "plan", "display", "--operation-id", "1"}, other...),
	}
	if !slices.EqualFunc(r.commands, want, slices.Equal) {
		t.Errorf("the commands were %q", r.commands)
	}
}

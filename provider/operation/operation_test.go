package operation

import (
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/provider/node"
)

// plan makes a plan of ID=STATE words; a slash in an ID makes a group.
func plan(leaves ...string) node.Plan {
	made := node.Plan{OperationID: "op", ClusterName: "shop"}
	for _, leaf := range leaves {
		id, state, _ := strings.Cut(leaf, "=")
		phase := node.Phase{ID: id, State: state}
		if parent := id[:strings.LastIndexByte(id, '/')]; parent != "" {
			phase = node.Phase{ID: parent, State: state, Phases: []node.Phase{phase}}
		}
		made.Phases = append(made.Phases, phase)
	}
	return made
}

func TestExamine(t *testing.T) {
	for name, test := range map[string]struct {
		plan          node.Plan
		status, phase string
		begun         bool
	}{
		"new":         {plan("/checks=unstarted", "/app/shop=unstarted"), Running, "", false},
		"running":     {plan("/checks=completed", "/app/shop=in_progress"), Running, "", true},
		"failed":      {plan("/checks=failed", "/app/shop=unstarted"), Failed, "/checks", false},
		"late":        {plan("/checks=completed", "/app/shop=failed", "/election=unstarted"), Failed, "/app/shop", true},
		"rolled back": {plan("/checks=completed", "/app/shop=rolled_back"), Running, "", false},
		"complete":    {plan("/checks=completed", "/app/shop=completed"), Completed, "", true},
		"another":     {plan("/checks=completed", "/apple=completed", "/app/shop=unstarted"), Running, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			got := Examine(test.plan)
			if got.ID != "op" || got.Status != test.status || got.Phase != test.phase {
				t.Errorf("it is %+v, want %s by %q", got, test.status, test.phase)
			}
			if begun := Begun(test.plan, "/app"); begun != test.begun {
				t.Errorf("the application has begun: %v", begun)
			}
		})
	}
}

func TestWatcher(t *testing.T) {
	var w watcher
	for _, part := range []string{"{\"pha", "se\":{\"operationId\":\"one\"}}\nno JSON\n", strings.Repeat("x", 2*maxLine), "\n{\"phase\":{\"operationId\":\"two\"}}\n"} {
		if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	if w.id != "two" || len(w.rest) > 0 {
		t.Errorf("the operation is %q, the rest %q", w.id, w.rest)
	}
}

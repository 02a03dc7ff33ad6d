package operation_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
)

// drawEntries makes a changelog with few different values, so that copies
// overlap, contradict each other and share places.
func drawEntries(t *rapid.T, name string) []operation.Entry {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) operation.Entry {
		return operation.Entry{
			ID:       rapid.StringMatching("[a-f]").Draw(t, "id"),
			Epoch:    rapid.Uint64Range(1, 3).Draw(t, "epoch"),
			Sequence: rapid.Uint64Range(1, 3).Draw(t, "sequence"),
			NewState: rapid.SampledFrom([]operation.State{operation.InProgress, operation.Completed}).Draw(t, "state"),
			Created:  time.Unix(rapid.Int64Range(0, 1).Draw(t, "created"), 0).UTC(),
		}
	}), 0, 8).Draw(t, name)
}

func TestMerge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := drawEntries(t, "a"), drawEntries(t, "b"), drawEntries(t, "c")
		equal(t, "commutative", operation.Merge(a, b), operation.Merge(b, a))
		equal(t, "associative", operation.Merge(operation.Merge(a, b), c), operation.Merge(a, operation.Merge(b, c)))
		equal(t, "idempotent", operation.Merge(operation.Merge(a, b), b), operation.Merge(a, b))
		merged, seen := operation.Merge(a, b), map[string]bool{}
		for i, entry := range merged {
			if seen[entry.ID] {
				t.Fatalf("%s is there twice", entry.ID)
			}
			seen[entry.ID] = true
			if i > 0 && (entry.Epoch < merged[i-1].Epoch || entry.Epoch == merged[i-1].Epoch && entry.Sequence < merged[i-1].Sequence) {
				t.Fatalf("%v after %v", entry, merged[i-1])
			}
		}
		for _, entry := range append(a, b...) {
			if !seen[entry.ID] {
				t.Fatalf("%s is lost", entry.ID)
			}
		}
	})
}

func equal(t *rapid.T, law string, a, b []operation.Entry) {
	if diff := cmp.Diff(a, b); diff != "" {
		t.Fatalf("not %s: %s", law, diff)
	}
}

// The clock of a new coordinator may be behind that of the one that died.
func TestEpochsOrderEntries(t *testing.T) {
	now := time.Now()
	plan := &operation.Plan{Phases: []operation.Phase{{ID: "/a", Executor: "x"}}}
	entries := operation.Merge(
		[]operation.Entry{{ID: "2", Epoch: 2, Sequence: 1, PhaseID: "/a", NewState: operation.Completed, Created: now.Add(-time.Hour)}},
		[]operation.Entry{{ID: "1", Epoch: 1, Sequence: 9, PhaseID: "/a", NewState: operation.Failed, Created: now}},
	)
	if got := operation.Resolve(plan, entries).Phases[0].State; got != operation.Completed {
		t.Errorf("the state is %s", got)
	}
}

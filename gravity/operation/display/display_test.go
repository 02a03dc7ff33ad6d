package display

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation/disk"
)

var update = flag.Bool("update", false, "write the golden files")

var start = time.Date(2026, 11, 3, 9, 4, 5, 0, time.FixedZone("CET", 3600))

// guidePlan is the one that the guide shows.
func guidePlan() *operation.Plan {
	node := operation.Server{AdvertiseIP: "172.28.128.1", Hostname: "node-1", ClusterRole: "master"}
	on := func(phase operation.Phase, requires ...string) operation.Phase {
		phase.Data, phase.Requires = &operation.Data{Server: &node, ExecServer: &node}, requires
		return phase
	}
	leaf := func(id, description string, requires ...string) operation.Phase {
		return operation.Phase{ID: id, Executor: "x", Description: description, Requires: requires}
	}
	upgrade := leaf("/masters/node-1/system-upgrade", `Update system software on node "node-1"`, "/masters/node-1/drain")
	upgrade.Data = &operation.Data{Server: &node, Config: json.RawMessage(`{"version":"1.37.2","force":true}`)}
	return &operation.Plan{
		OperationID: "8bbd1d6e-0000-4000-8000-5b8d1d9c3a10", OperationType: operation.TypeUpdate, ClusterName: "example.com",
		GravityPackage: operation.PackageOf("0.1.0"), Servers: []operation.Server{node}, LeadMaster: &node, CreatedAt: start.UTC(),
		Phases: []operation.Phase{
			leaf("/init", "Initialize update operation"),
			leaf("/checks", "Run preflight checks", "/init"),
			leaf("/pre-update", "Run pre-update application hook", "/init", "/checks"),
			{ID: "/bootstrap", Description: "Bootstrap update operation on nodes", Requires: []string{"/init"}, LimitParallel: 5, Phases: []operation.Phase{
				leaf("/bootstrap/node-1", `Bootstrap node "node-1"`),
			}},
			{ID: "/masters", Description: "Update master nodes", Requires: []string{"/checks", "/bootstrap", "/pre-update"}, Phases: []operation.Phase{
				{ID: "/masters/node-1", Description: `Update system software on master node "node-1"`, Phases: []operation.Phase{
					on(leaf("/masters/node-1/drain", `Drain node "node-1"`)),
					upgrade,
					on(leaf("/masters/node-1/taint", `Taint node "node-1"`), "/masters/node-1/system-upgrade"),
				}},
			}},
			leaf("/app", "Update installed application", "/masters"),
		},
	}
}

// changelog is a story of a minute for each step.
func changelog(steps ...string) []operation.Entry {
	var entries []operation.Entry
	for i, step := range steps {
		phase, state, _ := strings.Cut(step, " ")
		entry := operation.Entry{
			ID: step + string(rune('a'+i)), Epoch: 1, Sequence: uint64(i + 1), PhaseID: phase, NewState: operation.State(state),
			OperationID: guidePlan().OperationID, Created: start.Add(time.Duration(i) * time.Minute),
		}
		for index, leaf := range guidePlan().Leaves() {
			if leaf.ID == phase {
				entry.PhaseIndex = index + 1
			}
		}
		if entry.NewState == operation.Failed {
			entry.Error = &operation.Failure{Message: "drain node-1: pod web-0\tcannot be evicted\nbudget \"web\" allows none\x1b[2J", Hints: []string{"delete it"}}
		}
		entries = append(entries, entry)
	}
	return entries
}

var halfway = []string{
	"/init in_progress", "/init completed", "/checks in_progress", "/checks completed", "/pre-update in_progress", "/pre-update completed",
	"/bootstrap/node-1 in_progress", "/bootstrap/node-1 rolled_back", "/masters/node-1/drain failed", "/masters/node-1/system-upgrade in_progress",
}

func TestGolden(t *testing.T) {
	failed := operation.Resolve(guidePlan(), changelog(halfway...))
	for name, show := range map[string]func(io.Writer) error{
		"unstarted.txt": func(w io.Writer) error { return Table(w, operation.Resolve(guidePlan(), nil), Options{}) },
		"failed.txt":    func(w io.Writer) error { return Table(w, failed, Options{}) },
		"color.txt":     func(w io.Writer) error { return Table(w, failed, Options{Short: true, Color: true}) },
		"short.txt":     func(w io.Writer) error { return Table(w, failed, Options{Short: true}) },
		"failed.json":   func(w io.Writer) error { return JSON(w, failed) },
		"failed.yaml":   func(w io.Writer) error { return YAML(w, failed) },
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := show(&out); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", name)
			if *update {
				if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), out.String()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", path, diff)
			}
		})
	}
}

// What is printed as JSON is what a plan is read from.
func TestJSONRoundTrip(t *testing.T) {
	want := operation.Resolve(guidePlan(), changelog(halfway...))
	var out bytes.Buffer
	if err := JSON(&out, want); err != nil {
		t.Fatal(err)
	}
	got := &operation.Plan{}
	if err := json.Unmarshal(out.Bytes(), got); err != nil {
		t.Fatal(err)
	}
	compact := cmp.Transformer("compact", func(raw json.RawMessage) string {
		var b bytes.Buffer
		if len(raw) > 0 {
			if err := json.Compact(&b, raw); err != nil {
				t.Fatal(err)
			}
		}
		return b.String()
	})
	if diff := cmp.Diff(want, got, compact); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Tail follows what another process writes.
func TestTail(t *testing.T) {
	rolledBack := []string{"/init in_progress", "/init completed", "/init in_progress", "/init rolled_back"}
	var all []string
	for _, leaf := range guidePlan().Leaves() {
		all = append(all, leaf.ID+" in_progress", leaf.ID+" completed")
	}
	for _, test := range []struct {
		name  string
		steps []string
		last  string
		err   string
	}{
		{"completed", all, "Operation plan is completed", ""},
		{"rolled back", rolledBack, "Operation plan is rolled back", ""},
		{
			"failed",
			[]string{"/init in_progress", "/init failed"},
			"Tue Nov  3 08:05:05 UTC\t[  1/  8] Phase /init is failed",
			"phase \"/init\": drain node-1: pod web-0 cannot be evicted\nbudget \"web\" allows none [2J",
		},
		{
			"completed as failed",
			[]string{"/init in_progress", "/ failed"},
			"Tue Nov  3 08:04:05 UTC\t[  1/  8] Phase /init is in_progress",
			"operation 8bbd1d6e-0000-4000-8000-5b8d1d9c3a10 is failed",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { follow(t, test.steps, test.last, test.err) })
		})
	}
}

func follow(t *testing.T, steps []string, wantLast, wantErr string) {
	store := disk.New(t.TempDir())
	if err := store.Create(t.Context(), guidePlan()); err != nil {
		t.Fatal(err)
	}
	id := guidePlan().OperationID
	journal, err := store.Open(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	go func() {
		for _, entry := range changelog(steps...) {
			time.Sleep(700 * time.Millisecond)
			if err := journal.Append(t.Context(), entry); err != nil {
				t.Error(err)
			}
		}
	}()
	var out bytes.Buffer
	got := ""
	if err := Tail(t.Context(), &out, store, id, time.Second); err != nil {
		got = err.Error()
	}
	if got != wantErr {
		t.Errorf("error %q, want %q", got, wantErr)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if last := lines[len(lines)-1]; last != wantLast {
		t.Errorf("the last line is %q, want %q", last, wantLast)
	}
	if first := "Tue Nov  3 08:04:05 UTC\t[  1/  8] Phase /init is in_progress"; lines[0] != first {
		t.Errorf("the first line is %q, want %q", lines[0], first)
	}
	synctest.Wait()
}

// TestTailIsAbandoned wants the end of whoever executed to be told: at once in
// the middle of a phase, after a while between two, and never before the first.
func TestTailIsAbandoned(t *testing.T) {
	for name, test := range map[string]struct {
		steps  []string
		want   string
		within time.Duration
	}{
		"in a phase":       {[]string{"/init in_progress"}, "nobody executes operation ID any more: phase \"/init\" is in progress", 0},
		"between phases":   {[]string{"/init in_progress", "/init completed"}, "nobody executes operation ID any more", patience * time.Second},
		"before the first": {nil, context.DeadlineExceeded.Error(), time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, id := disk.New(t.TempDir()), guidePlan().OperationID
				if err := store.Create(t.Context(), guidePlan()); err != nil {
					t.Fatal(err)
				}
				journal, err := store.Open(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				for _, entry := range changelog(test.steps...) {
					if err := journal.Append(t.Context(), entry); err != nil {
						t.Fatal(err)
					}
				}
				time.AfterFunc(90*time.Second, func() { _ = journal.Close() })
				ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second+time.Hour)
				defer cancel()
				began := time.Now()
				err = Tail(ctx, io.Discard, store, id, time.Second)
				if want := strings.ReplaceAll(test.want, "ID", id); err == nil || err.Error() != want {
					t.Errorf("error %v, want %s", err, want)
				}
				if took := time.Since(began) - 90*time.Second; took < 0 || took > test.within+2*time.Second {
					t.Errorf("it took %s, want %s", took, test.within)
				}
			})
		})
	}
}

func TestTailIsInterrupted(t *testing.T) {
	store := disk.New(t.TempDir())
	if err := store.Create(t.Context(), guidePlan()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Tail(ctx, io.Discard, store, guidePlan().OperationID, time.Hour); err != context.Canceled { //nolint:errorlint // the error itself
		t.Errorf("error %v", err)
	}
}

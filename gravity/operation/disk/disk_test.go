package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
)

func entry(sequence uint64) operation.Entry {
	return operation.Entry{
		ID: fmt.Sprint("entry-", sequence), Epoch: 1, Sequence: sequence, OperationID: crashOperation, PhaseID: "/init",
		NewState: operation.InProgress, Created: time.Unix(int64(sequence), 0).UTC(),
	}
}

// written is a store with an operation and some entries.
func written(t *testing.T, entries int) (store *Store, changelog string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state", "operations")
	store = New(dir)
	if err := store.Create(t.Context(), crashPlan()); err != nil {
		t.Fatal(err)
	}
	journal, err := store.Open(t.Context(), crashOperation)
	if err != nil {
		t.Fatal(err)
	}
	for i := range entries {
		if err := journal.Append(t.Context(), entry(uint64(i+1))); err != nil {
			t.Fatal(err)
		}
	}
	if err := journal.Close(); err != nil {
		t.Fatal(err)
	}
	return store, filepath.Join(dir, crashOperation, changelogName)
}

func TestRoundTrip(t *testing.T) {
	store, changelog := written(t, 3)
	got, err := store.Read(t.Context(), crashOperation)
	if err != nil {
		t.Fatal(err)
	}
	want := &operation.Operation{Plan: crashPlan(), Entries: []operation.Entry{entry(1), entry(2), entry(3)}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	if err := store.Create(t.Context(), crashPlan()); !errors.Is(err, operation.ErrExists) {
		t.Errorf("created twice: %v", err)
	}
	ids, err := store.List(t.Context())
	if err != nil || !slices.Equal(ids, []string{crashOperation}) {
		t.Errorf("list: %v, %v", ids, err)
	}
	err = filepath.WalkDir(filepath.Join(filepath.Dir(changelog), ".."), func(path string, found fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := found.Info()
		want := fs.FileMode(0o600)
		if found.IsDir() {
			want = fs.ModeDir | 0o700
		}
		if err == nil && info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode(), want)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestNotThere(t *testing.T) {
	store := New(filepath.Join(t.TempDir(), "none"))
	if ids, err := store.List(t.Context()); len(ids) > 0 || err != nil {
		t.Errorf("list: %v, %v", ids, err)
	}
	if _, err := store.Read(t.Context(), "x"); !errors.Is(err, operation.ErrNotFound) {
		t.Errorf("read: %v", err)
	}
	if _, err := store.Open(t.Context(), "x"); !errors.Is(err, operation.ErrNotFound) {
		t.Errorf("open: %v", err)
	}
	if _, err := store.Read(t.Context(), "../x"); err == nil {
		t.Error("an ID leads out of the folder")
	}
}

// One process writes, others read.
func TestLocked(t *testing.T) {
	store, _ := written(t, 1)
	journal, err := store.Open(t.Context(), crashOperation)
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.Open(t.Context(), crashOperation)
	if !errors.Is(err, operation.ErrLocked) || !strings.HasSuffix(err.Error(), fmt.Sprintf("another process (%d)", os.Getpid())) {
		t.Errorf("opened twice: %v", err)
	}
	if _, err := store.Read(t.Context(), crashOperation); err != nil {
		t.Error(err)
	}
	if err := journal.Append(t.Context(), operation.Entry{ID: "x", OperationID: "other"}); err == nil {
		t.Error("took an entry of another operation")
	}
	if err := journal.Close(); err != nil {
		t.Error(err)
	}
	again, err := store.Open(t.Context(), crashOperation)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

// Whatever a loss of power left of the last entry, those before it are there,
// and writing goes on after them.
func TestTornTail(t *testing.T) {
	store, changelog := written(t, 3)
	whole, err := os.ReadFile(changelog)
	if err != nil {
		t.Fatal(err)
	}
	second := bytes.LastIndexByte(whole[:len(whole)-1], '\n') + 1
	for _, garbage := range []string{"", "\x00", strings.Repeat("\x00", 300), "deadbeef {}\n", "\n\n"} {
		for _, cut := range []int{second, second + 1, second + checksumLength, len(whole) - 1} {
			torn := append(slices.Clone(whole[:cut]), garbage...)
			if bytes.HasPrefix(torn, whole) {
				continue
			}
			if err := os.WriteFile(changelog, torn, 0o600); err != nil {
				t.Fatal(err)
			}
			appendAndRead(t, store, fmt.Sprintf("%q after %d", garbage, cut))
		}
	}
}

func appendAndRead(t *testing.T, store *Store, what string) {
	t.Helper()
	journal, err := store.Open(t.Context(), crashOperation)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if err := errors.Join(journal.Append(t.Context(), entry(9)), journal.Close()); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	got, err := store.Read(t.Context(), crashOperation)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if diff := cmp.Diff([]operation.Entry{entry(1), entry(2), entry(9)}, got.Entries); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// A changed bit is found; it is only taken for a loss of power in what was
// written last.
func TestDamage(t *testing.T) {
	store, changelog := written(t, 3)
	whole, err := os.ReadFile(changelog)
	if err != nil {
		t.Fatal(err)
	}
	last := bytes.LastIndexByte(whole[:len(whole)-1], '\n') + 1
	for i := range whole {
		changed := slices.Clone(whole)
		changed[i] ^= 4
		entries, good, err := decodeChangelog(changed)
		switch {
		case i < last-1 && err == nil:
			t.Errorf("byte %d is not missed", i)
		case i >= last && (err != nil || good != last || len(entries) != 2):
			t.Errorf("byte %d: %d entries, %d bytes, %v", i, len(entries), good, err)
		}
	}
	whole[20] ^= 4
	if err := os.WriteFile(changelog, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, open := range []func() error{
		func() error { _, err := store.Open(t.Context(), crashOperation); return err },
		func() error { _, err := store.Read(t.Context(), crashOperation); return err },
	} {
		if err := open(); !errors.Is(err, errCorrupt) || !strings.Contains(err.Error(), changelog+": line 1") {
			t.Errorf("error %v", err)
		}
	}
	plan := filepath.Join(filepath.Dir(changelog), planName)
	data, err := os.ReadFile(plan)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(plan, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Read(t.Context(), crashOperation); err == nil || !strings.Contains(err.Error(), plan) {
		t.Errorf("error %v", err)
	}
}

// broken is a file on a full disk.
type broken struct{ file }

func (b broken) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestBrokenJournal(t *testing.T) {
	store, _ := written(t, 0)
	full := true
	store.wrap = func(f file) file { return &switched{f, broken{f}, &full} }
	journal, err := store.Open(t.Context(), crashOperation)
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	if err := journal.Append(t.Context(), entry(1)); err == nil {
		t.Error("wrote to a full disk")
	}
	full = false
	if err := journal.Append(t.Context(), entry(2)); err == nil {
		t.Error("wrote after half a line")
	}
}

type switched struct {
	file

	broken file
	full   *bool
}

func (s *switched) Write(data []byte) (int, error) {
	if *s.full {
		return s.broken.Write(data)
	}
	return s.file.Write(data)
}

func FuzzChangelog(f *testing.F) {
	for count := range 3 {
		var data []byte
		for i := range count {
			line, err := encodeEntry(entry(uint64(i + 1)))
			if err != nil {
				f.Fatal(err)
			}
			data = append(data, line...)
		}
		f.Add(data)
		f.Add(data[:len(data)/2])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, good, err := decodeChangelog(data)
		if err != nil {
			return
		}
		again, goodAgain, err := decodeChangelog(data[:good])
		if err != nil || goodAgain != good {
			t.Fatalf("%d good bytes of %d, then %d: %v", good, len(data), goodAgain, err)
		}
		if diff := cmp.Diff(entries, again); diff != "" {
			t.Fatalf("what is good reads differently:\n%s", diff)
		}
	})
}

func FuzzPlan(f *testing.F) {
	data, err := encodePlan(crashPlan())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		plan, err := decodePlan(bytes.NewReader(data))
		if err != nil {
			return
		}
		// What is valid can be resolved and stored again.
		operation.Resolve(plan, nil)
		if _, err := encodePlan(plan); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzPlanJSON fuzzes below the compression, which has a checksum.
func FuzzPlanJSON(f *testing.F) {
	f.Add([]byte(`{"operation_id":"a","operation_type":"b","phases":[{"id":"/a","executor":"x"},{"id":"/b","requires":["/a"],"phases":[{"id":"/b/c","executor":"x"}]}]}`))
	f.Add([]byte(`{"phases":[{"phases":[{"phases":[{}]}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		plan, err := parsePlan(data)
		if err != nil {
			return
		}
		if len(plan.Leaves()) == 0 {
			t.Fatal("a valid plan without leaves")
		}
		for _, leaf := range plan.Leaves() {
			if plan.Find(leaf.ID) == nil {
				t.Fatalf("%s is not found", leaf.ID)
			}
		}
	})
}

// BenchmarkAppend is what a phase pays for each of its states.
func BenchmarkAppend(b *testing.B) {
	store := New(b.TempDir())
	if err := store.Create(b.Context(), crashPlan()); err != nil {
		b.Fatal(err)
	}
	journal, err := store.Open(b.Context(), crashOperation)
	if err != nil {
		b.Fatal(err)
	}
	defer journal.Close()
	for i := uint64(0); b.Loop(); i++ {
		if err := journal.Append(b.Context(), entry(i)); err != nil {
			b.Fatal(err)
		}
	}
}

// TestExclusive wants one at a time, and the others to wait.
func TestExclusive(t *testing.T) {
	store := New(filepath.Join(t.TempDir(), "operations"))
	first, err := store.Exclusive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := New(store.dir).Exclusive(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("a second one: %v", err)
	}
	// It hinders nobody from creating, whoever holds it does.
	if err := store.Create(t.Context(), crashPlan()); err != nil {
		t.Error(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := New(store.dir).Exclusive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
}

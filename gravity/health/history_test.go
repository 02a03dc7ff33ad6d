package health

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

var noon = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)

func event(minute int, kind, checker string) report.HealthEvent {
	return report.HealthEvent{Time: noon.Add(time.Duration(minute) * time.Minute), Type: kind, Node: "node-1", Checker: checker}
}

func readHistory(t *testing.T, file string) []report.HealthEvent {
	t.Helper()
	events, err := ReadHistory(file)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func TestHistory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "agent", "history.jsonl")
	clock := noon
	open := func() *History {
		h, err := openHistory(file, func() time.Time { return clock })
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	h := open()
	if _, err := os.Stat(file); err == nil {
		t.Error("there is a file without events")
	}
	want := []report.HealthEvent{event(0, ProbeFailed, "dns"), event(0, NodeDegraded, ""), event(5, ProbeSucceeded, "dns"), event(5, NodeRecovered, "")}
	for _, events := range [][]report.HealthEvent{want[:2], nil, want[2:3]} {
		if err := h.Append(events...); err != nil {
			t.Fatal(err)
		}
	}
	// A process dies in the middle of a line, and another goes on.
	torn, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := torn.WriteString(`{"time":"2026-11-03T12:04:00Z","type":"probe_fai`); err != nil {
		t.Fatal(err)
	}
	_ = torn.Close()
	h = &History{file: file, now: h.now}
	if err := h.Append(want[3]); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, readHistory(t, file)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	// A week later only the last events are young enough.
	clock = noon.Add(retention + 3*time.Minute)
	open()
	if diff := cmp.Diff(want[2:], readHistory(t, file)); diff != "" {
		t.Errorf("after a week (-want +got):\n%s", diff)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "history.jsonl")
	h, err := openHistory(file, func() time.Time { return noon })
	if err != nil {
		t.Fatal(err)
	}
	many := make([]report.HealthEvent, maxEvents)
	for i := range many {
		many[i] = event(0, ProbeFailed, "dns")
	}
	last := event(1, NodeDegraded, "")
	if err := h.Append(many...); err != nil {
		t.Fatal(err)
	}
	if err := h.Append(last); err != nil {
		t.Fatal(err)
	}
	events := readHistory(t, file)
	if len(events) != maxEvents/2 || events[len(events)-1] != last || h.count != len(events) {
		t.Errorf("%d events, the last is %+v, counted %d", len(events), events[len(events)-1], h.count)
	}
}

func TestFailing(t *testing.T) {
	events := []report.HealthEvent{
		event(0, ProbeFailed, "dns"), event(0, ProbeFailed, "etcd-healthz"), event(0, NodeDegraded, ""), event(1, ProbeSucceeded, "dns"),
		{Time: noon, Type: ProbeFailed, Node: "node-2", Checker: "kubelet"},
		{Time: noon, Type: ClusterDegraded},
	}
	want := map[string]bool{"": true, "dns": false, "etcd-healthz": true}
	if diff := cmp.Diff(want, failing(events, "node-1")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// FuzzHistory wants whatever is in a file to be read without harm, and what was
// read to be the same when it is written and read again.
func FuzzHistory(f *testing.F) {
	f.Add([]byte(`{"time":"2026-11-03T12:00:00Z","type":"node_degraded","node":"node-1"}` + "\n"))
	f.Add([]byte("\n\n{\"type\":\"x\"}\n{\"time\":\"2026-11-03T12:00:00+01:00\",\"type\":\"y\"}\n{"))
	f.Fuzz(func(t *testing.T, data []byte) {
		events := parseHistory(data)
		var again bytes.Buffer
		encoder := json.NewEncoder(&again)
		for i, event := range events {
			if i > 0 && event.Time.Before(events[i-1].Time) {
				t.Fatal("events are not in the order of time")
			}
			if err := encoder.Encode(event); err != nil {
				t.Skip("a year that JSON does not have")
			}
		}
		if diff := cmp.Diff(events, parseHistory(again.Bytes())); diff != "" {
			t.Error(diff)
		}
	})
}

package health

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRoster records changes, and neither what there was before nor what is no news.
func TestRoster(t *testing.T) {
	file, nodes := filepath.Join(t.TempDir(), "history"), filepath.Join(t.TempDir(), "nodes")
	roster := func() *Roster {
		history, err := OpenHistory(file)
		if err != nil {
			t.Fatal(err)
		}
		return &Roster{File: nodes, History: history, Log: slog.New(slog.DiscardHandler)}
	}
	first := roster()
	first.Leader("node-1")
	first.Nodes([]string{"node-1"})
	first.Nodes([]string{"node-2", "node-1"})
	first.Nodes([]string{"node-1", "node-2"})
	first.Nodes([]string{"node-3", "node-2", "node-4"})
	// The agent starts again, and a node has gone meanwhile.
	second := roster()
	second.Nodes([]string{"node-2", "node-3"})
	// What cannot be read is as if there were nothing, and is written anew.
	if err := os.WriteFile(nodes, []byte(`["node-2`), 0o600); err != nil {
		t.Fatal(err)
	}
	second.Nodes([]string{"node-3", "node-2"})
	second.Leader("node-1")
	second.Leader("node-2")
	second.Nodes(nil)
	events, err := ReadHistory(file)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, event := range events {
		got = append(got, fmt.Sprintf("%s %s", event.Type, event.Node))
	}
	want := []string{
		"leader_elected node-1", "node_added node-2", "node_added node-3", "node_added node-4", "node_removed node-1",
		"node_removed node-4",
		"leader_elected node-2", "node_removed node-2", "node_removed node-3",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%q, want %q", got, want)
	}
}

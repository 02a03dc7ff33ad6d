package bootstrap

import (
	"encoding/json"
	"testing"
	"time"
)

// TestJoiningMaster names the master that joins, as long as it is heard from.
func TestJoiningMaster(t *testing.T) {
	a, client := newAPI(t)
	if name, err := JoiningMaster(t.Context(), client, ""); name != "" || err != nil {
		t.Errorf("without joins: %q, %v", name, err)
	}
	for _, test := range []struct {
		name, except, want string
		master             bool
		heard              time.Duration
	}{
		{"master", "node-1", "node-2", true, 0},
		{"itself", "node-2", "", true, 0},
		{"worker", "node-1", "", false, 0},
		{"abandoned", "node-1", "", true, abandoned},
	} {
		text, err := json.Marshal(join{Request: Request{Name: "node-2"}, Master: test.master, Heard: time.Now().Add(-test.heard)})
		if err != nil {
			t.Fatal(err)
		}
		a.Put("namespaces/gravity-system/configmaps/"+joinsName, "ConfigMap", map[string]any{"data": map[string]any{"join-1": string(text)}})
		if name, err := JoiningMaster(t.Context(), client, test.except); name != test.want || err != nil {
			t.Errorf("%s: %q, %v", test.name, name, err)
		}
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

func TestWarnings(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(newWarnings(&out))
	log.Info("not for people")
	log.Warn("the disk is slow")
	log.With("phase", "/pull").WithGroup("more").Error("no answer", "host", "node-2", "attempts", 3)
	want := "warning: the disk is slow\nwarning: no answer (phase: /pull, host: node-2, attempts: 3)\n"
	if out.String() != want {
		t.Errorf("%q", out.String())
	}
}

// TestLineObjects wants an object for each line, however it comes.
func TestLineObjects(t *testing.T) {
	var out bytes.Buffer
	lines := &lineObjects{out: &out}
	for _, part := range []string{"one\ntw", "o \"quoted\"\n", strings.Repeat("x", maxLine-1), "xy"} {
		if n, err := lines.Write([]byte(part)); n != len(part) || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	var got []string
	for decoder := json.NewDecoder(&out); decoder.More(); {
		var object map[string]report.Message
		if err := decoder.Decode(&object); err != nil {
			t.Fatal(err)
		}
		got = append(got, object["message"].Text)
	}
	if want := []string{"one", "two \"quoted\"", strings.Repeat("x", maxLine) + "y"}; !slices.Equal(got, want) {
		t.Errorf("got %.200q", got)
	}
}

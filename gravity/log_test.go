package main

import (
	"bytes"
	"log/slog"
	"testing"
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

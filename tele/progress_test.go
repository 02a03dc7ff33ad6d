package main

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// work reports to a progress for 12 seconds, every half of one.
func work(p *progress) {
	for i := range int64(24) {
		time.Sleep(500 * time.Millisecond)
		p.update(bundle.Progress{Done: (i + 1) * 50e6, Total: 1200e6, Entry: "gravity"})
	}
	p.end()
}

func TestProgress(t *testing.T) {
	for name, test := range map[string]struct {
		format cli.Format
		quiet  bool
		want   string
	}{
		"lines": {cli.FormatText, false, "verify: 41%, 500.0 MB of 1.2 GB, 100.0 MB/s\n" +
			"verify: 83%, 1.0 GB of 1.2 GB, 100.0 MB/s\n"},
		"objects": {cli.FormatJSON, false, `{"progress":{"action":"verify","done":500000000,"total":1200000000,"rate":100000000}}` + "\n" +
			`{"progress":{"action":"verify","done":1000000000,"total":1200000000,"rate":100000000}}` + "\n"},
		"quiet": {cli.FormatText, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				work(newProgress(&out, test.format, test.quiet, "verify"))
				if out.String() != test.want {
					t.Errorf("progress:\n%swant:\n%s", out.String(), test.want)
				}
			})
		})
	}
}

// TestProgressOnTerminal sees each line cleared before the next, and the last.
func TestProgressOnTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := newProgress(&out, cli.FormatText, false, "verify")
		p.show, p.interval = p.replace, terminalInterval
		time.Sleep(time.Second)
		p.update(bundle.Progress{Done: 3e9, Total: 4e9})
		p.update(bundle.Progress{Done: 4e9, Total: 4e9})
		p.end()
		want := "\r\x1b[Kverify: 75%, 3.0 GB of 4.0 GB, 3.0 GB/s\r\x1b[K"
		if out.String() != want {
			t.Errorf("terminal: %q, want %q", out.String(), want)
		}
	})
}

func TestFormatSize(t *testing.T) {
	for bytes, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_949: "999.9 kB", 999_950: "1.0 MB",
		107_400_000: "107.4 MB", 999_950_000: "1.0 GB", 10_000_000_000: "10.0 GB",
	} {
		if got := formatSize(bytes); got != want {
			t.Errorf("formatSize(%d) = %q, want %q", bytes, got, want)
		}
	}
}

package node

import (
	"testing"
	"time"
)

// TestRenewed wants what is issued in place of a certificate never to be void.
func TestRenewed(t *testing.T) {
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	removals := Removals{"node-3": at}
	for _, test := range []struct {
		name      string
		now, want time.Time
	}{
		{"node-2", at.Add(-time.Hour), at.Add(-time.Hour)},
		{"node-3", at.Add(time.Hour), at.Add(time.Hour)},
		{"node-3", at.Add(-time.Hour), at.Add(time.Second)},
		{"node-3", at, at.Add(time.Second)},
		{"node-3", at.Add(time.Millisecond), at.Add(time.Second)},
	} {
		got := removals.Renewed(test.name, test.now)
		if !got.Equal(test.want) || removals.Void(test.name, got) {
			t.Errorf("%s at %s: %s, want %s", test.name, test.now, got, test.want)
		}
	}
}

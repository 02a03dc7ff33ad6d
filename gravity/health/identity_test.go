package health

import (
	"testing"
	"time"
)

func TestClock(t *testing.T) {
	// Readings of the clock that only goes on are lost by Round: the start has one.
	start := time.Now()
	c := clock{start}
	if _, err := c.judge(start.Add(time.Hour)); err != nil {
		t.Errorf("after an hour: %v", err)
	}
	jumped := clock{start.Add(-time.Hour).Round(0)}
	if _, err := jumped.judge(jumped.start.Add(time.Minute)); err != nil {
		t.Errorf("without a second clock: %v", err)
	}
	for _, test := range []struct {
		wall, monotonic time.Duration
		want            string
	}{
		{time.Hour, time.Hour, "well"},
		{time.Hour + 30*time.Second, time.Hour, "well"},
		{3 * time.Hour, time.Hour, "warning"},
		{-3 * time.Hour, time.Hour, "warning"},
	} {
		if _, err := judgeJump(test.wall, test.monotonic, start); level(err) != test.want {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

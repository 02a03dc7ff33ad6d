package removal

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// machine is a node that is wiped.
type machine struct {
	began   time.Time
	failure string
	// deaf is how long its agent does not answer, lasting how long it runs.
	deaf, lasting time.Duration
	calls         int
}

func (m *machine) Wipe(context.Context) (string, error) {
	m.calls++
	if time.Since(m.began) < m.deaf {
		return "", errors.New("no answer")
	}
	return m.failure, nil
}

func (m *machine) stopped(context.Context) (bool, error) {
	return time.Since(m.began) >= m.lasting, nil
}

// TestWipe tells the agent to begin, and again now and then; that the node does not stop
// is an error with what the node says.
func TestWipe(t *testing.T) {
	for _, test := range []struct {
		name          string
		deaf, lasting time.Duration
		failure       string
		calls         int // or one less
		took          time.Duration
		err           string
	}{
		{"at once", 0, time.Second, "", 1, time.Second, ""},
		{"slowly", 0, 12 * time.Second, "", 3, 12 * time.Second, ""},
		{"its agent starts anew", 2 * time.Second, 4 * time.Second, "", 5, 4 * time.Second, ""},
		{"it has lost its power", time.Hour, time.Second, "", 2, time.Second + quietTime, ""},
		{"fails", 0, time.Hour, "unmount: busy", 61, wipeTimeout, "it still runs after 5m0s: unmount: busy"},
		{"never ends", 0, time.Hour, "", 61, wipeTimeout, "it still runs after 5m0s"},
		{"does not answer", time.Hour, time.Hour, "", 601, wipeTimeout, "it still runs after 5m0s: no answer"},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := &machine{began: time.Now(), failure: test.failure, deaf: test.deaf, lasting: test.lasting}
			err := (&wipe{agent: m, stopped: m.stopped}).run(t.Context())
			took := time.Since(m.began)
			if (err != nil) != (test.err != "") || err != nil && err.Error() != test.err || took != test.took || m.calls > test.calls || m.calls < test.calls-1 {
				t.Errorf("%s: %v after %s and %d calls", test.name, err, took, m.calls)
			}
			if err != nil && strings.Contains(err.Error(), "%!") {
				t.Errorf("%s: %v", test.name, err)
			}
		})
	}
}

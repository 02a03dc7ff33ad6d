package preflight

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// server answers questions about names by a code, or never if it is silent.
func server(t *testing.T, silent bool) netip.AddrPort {
	t.Helper()
	listener, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buffer := make([]byte, 512)
		for {
			n, from, err := listener.ReadFrom(buffer)
			if err != nil {
				return
			}
			var message dnsmessage.Message
			if message.Unpack(buffer[:n]) != nil || silent {
				continue
			}
			message.Response, message.RCode = true, dnsmessage.RCodeServerFailure
			packet, err := message.Pack()
			if err != nil {
				return
			}
			_, _ = listener.WriteTo([]byte("not an answer"), from)
			_, _ = listener.WriteTo(packet, from)
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	address, err := netip.ParseAddrPort(listener.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func TestQuery(t *testing.T) {
	if got, err := query(t.Context(), server(t, false), "node-1"); err != nil || got != "serverfailure" {
		t.Errorf("a server that fails: %q, %v", got, err)
	}
	if got, err := query(t.Context(), server(t, false), "a..b"); err != nil || got != "serverfailure" {
		t.Errorf("a name that is none: %q, %v", got, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if got, err := query(ctx, server(t, true), "node-1"); err == nil {
		t.Errorf("a silent server says %q", got)
	}
	closed, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := netip.MustParseAddrPort(closed.LocalAddr().String())
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := query(t.Context(), nobody, "node-1"); err != nil || !strings.Contains(got, "refused") {
		t.Errorf("nobody: %q, %v", got, err)
	}
}

// TestDiskLeavesNothing measures the disk of the tests.
func TestDiskLeavesNothing(t *testing.T) {
	machine := newMachine(t, nil)
	dir := machine.path("/var/lib/gravity")
	times, err := syncTimes(t.Context(), dir)
	if err != nil || len(times) == 0 {
		t.Errorf("%d syncs, %v", len(times), err)
	}
	machine.Statfs = func(string) (Statfs, error) { return Statfs{Available: 40 << 20}, nil }
	rate, written, err := machine.speed(t.Context(), "/var/lib/gravity")
	if err != nil || rate == 0 || written != 4<<20 {
		t.Errorf("%d bytes a second, %d written, %v", rate, written, err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	cancel(cause)
	if _, _, err := machine.speed(ctx, "/var/lib/gravity"); !errors.Is(err, cause) {
		t.Errorf("error %v", err)
	}
	if _, err := syncTimes(ctx, dir); !errors.Is(err, cause) {
		t.Errorf("error %v", err)
	}
	if known, err := entryTypes(dir); err != nil || !known {
		t.Errorf("types of entries: %t, %v", known, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("the directory has %v, %v", entries, err)
	}
}

func TestPercentile(t *testing.T) {
	var times []time.Duration
	for i := 200; i > 0; i-- {
		times = append(times, time.Duration(i))
	}
	if got := percentile(times, 99); got != 198 {
		t.Errorf("percentile is %d", got)
	}
	if got := percentile(times[:1], 99); got != 200 {
		t.Errorf("of one: %d", got)
	}
}

func TestCompareClocks(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	clock := func(ahead, took time.Duration) Clock {
		return Clock{Remote: now.Add(ahead + took/2), Sent: now, Received: now.Add(took)}
	}
	for name, test := range map[string]struct {
		clocks   map[string]Clock
		status   Status
		measured string
	}{
		"none":                {nil, StatusPassed, "0 clocks"},
		"close":               {map[string]Clock{"a": clock(200*time.Millisecond, 0), "b": clock(-300*time.Millisecond, 0)}, StatusPassed, "2 clocks, up to 300ms apart"},
		"ahead":               {map[string]Clock{"a": clock(2*time.Second, 0)}, StatusFailed, "the clock of a is 2s ahead"},
		"behind":              {map[string]Clock{"a": clock(0, 0), "b": clock(-400*time.Millisecond, 0)}, StatusFailed, "the clock of b is 400ms behind"},
		"the delay may be it": {map[string]Clock{"a": clock(400*time.Millisecond, 300*time.Millisecond)}, StatusPassed, "400ms"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := CompareClocks(test.clocks); got.Status != test.status || !strings.Contains(got.Measured, test.measured) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestCompareTransfers(t *testing.T) {
	got := CompareTransfers(50e6, []Transfer{{"a", "b", 50e6}, {"b", "a", 10e6}})
	if got.Status != StatusFailed || got.Measured != "b to a: 10 MB/s" {
		t.Errorf("%+v", got)
	}
	if got := CompareTransfers(0, []Transfer{{"a", "b", 0}}); got.Status != StatusPassed {
		t.Errorf("%+v", got)
	}
}

func TestSpaceNeeded(t *testing.T) {
	for _, test := range []struct {
		space Space
		disk  uint64
		want  uint64
	}{
		{Space{}, 0, 5 << 30},
		{Space{Bundle: 1e9}, 100e9, 5e9 + 5<<30 + 10e9},
		{Space{Bundle: 1e9, Previous: 2e9}, 100e9, 5e9 + 2e9 + 5<<30 + 10e9},
	} {
		if got := test.space.Needed(test.disk); got != test.want {
			t.Errorf("%+v on %d needs %d, want %d", test.space, test.disk, got, test.want)
		}
	}
}

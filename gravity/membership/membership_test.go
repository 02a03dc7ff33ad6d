package membership

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// running is a member in this process, on an address of loopback.
type running struct {
	*Membership
	stop func()
}

// run starts a member that knows the first one.
func run(t *testing.T, port, number int, key []byte) *running {
	t.Helper()
	address := netip.AddrFrom4([4]byte{127, 0, 7, byte(number)})
	m := New(Options{
		Cluster: "example", Address: address, Role: "master", Key: key,
		Peers: func() ([]netip.Addr, error) { return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 7, 1})}, nil },
		port:  port, bind: address.String(), interval: 50 * time.Millisecond,
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	r := &running{Membership: m}
	stopped := false
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(r.stop)
	return r
}

// until waits for what a member sees.
func until(t *testing.T, m *running, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		var states []string
		for _, member := range m.Members() {
			states = append(states, member.Status)
		}
		got := strings.Join(states, " ")
		if got == want {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the members are %s, want %s", got, want)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.7.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatal(listener.Addr())
	}
	return address.Port
}

func TestMembers(t *testing.T) {
	if testing.Short() {
		t.Skip("waits until a failure is noticed; run without -short")
	}
	key := []byte(rand.Text() + rand.Text())[:KeySize]
	port := freePort(t)
	first, second, third := run(t, port, 1, key), run(t, port, 2, key), run(t, port, 3, key)
	stranger := run(t, port, 4, []byte(rand.Text() + rand.Text())[:KeySize])
	for _, member := range []*running{first, second, third} {
		until(t, member, "alive alive alive")
	}
	got := second.Members()[0]
	want := Member{
		Name: "127_0_7_1.example", Address: netip.AddrPortFrom(netip.MustParseAddr("127.0.7.1"), uint16(port)), Status: "alive",
		Tags: map[string]string{"publicip": "127.0.7.1", "role": "master"},
	}
	if diff := cmp.Diff(fmt.Sprintf("%+v %v", want, want.Tags), fmt.Sprintf("%+v %v", got, got.Tags)); diff != "" {
		t.Errorf("the member (-want +got):\n%s", diff)
	}
	if n := len(stranger.Members()); n != 1 {
		t.Errorf("who has another key sees %d members", n)
	}
	second.stop()
	until(t, first, "alive left alive")
	// As a machine that loses its power.
	third.mu.Lock()
	err := third.serf.Shutdown()
	third.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	until(t, first, "alive left failed")
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("the failure was noticed after %s", took)
	}
	if err := first.Forget("127_0_7_3.example"); err != nil {
		t.Error(err)
	}
	until(t, first, "alive left")
}

func TestNotRunning(t *testing.T) {
	m := New(Options{Key: []byte("short")})
	if members := m.Members(); len(members) != 0 {
		t.Errorf("it has members: %v", members)
	}
	if err := m.Forget("x"); err == nil {
		t.Error("it forgets")
	}
	if err := m.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "5 bytes, want 32") {
		t.Errorf("a short key: %v", err)
	}
}

func TestKey(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "ca.key")
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := DeriveKey(file, ""); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := DeriveKey(file, "")
	if err != nil || len(key) != KeySize {
		t.Fatalf("%d bytes, %v", len(key), err)
	}
	kept := filepath.Join(dir, "membership.key")
	if other, err := DeriveKey(file, "2026-11-23T12:00:00Z"); err != nil || string(other) == string(key) {
		t.Errorf("another epoch has the same key: %v", err)
	}
	silent := errors.New("nobody answers")
	if _, err := EnsureKey(kept, func() ([]byte, error) { return nil, silent }); !errors.Is(err, silent) {
		t.Errorf("without any key: %v", err)
	}
	for _, answer := range []error{nil, silent} {
		got, err := EnsureKey(kept, func() ([]byte, error) { return key, answer })
		if err != nil || string(got) != string(key) {
			t.Errorf("%x, %v", got, err)
		}
	}
	if info, err := os.Stat(kept); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

package node_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

func TestIdentity(t *testing.T) {
	p := paths.Paths{Root: t.TempDir()}
	address := netip.MustParseAddr("10.0.0.2")
	n := &node.Node{Cluster: "test", Name: "node-2", Address: address}
	here := node.Machine{HostName: "node-2", Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1"), address}}
	if err := n.CheckIdentity(p, here); err != nil {
		t.Error(err)
	}
	if err := n.CheckName(here); err != nil {
		t.Error(err)
	}
	moved := node.Machine{HostName: "node-3", Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.3")}}
	if err := n.CheckIdentity(p, moved); err == nil || !strings.Contains(err.Error(), "does not have the address 10.0.0.2 any more") ||
		!strings.Contains(err.Error(), "'gravity remove node-2 --force'") {
		t.Errorf("another address: %v", err)
	}
	if err := n.CheckName(moved); err == nil || !strings.Contains(err.Error(), "is node-3 now") || !strings.Contains(err.Error(), "'hostnamectl hostname node-2'") {
		t.Errorf("another name: %v", err)
	}
	dismissal := node.Dismissal{Time: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Reason: "it was removed"}
	if err := dismissal.Write(p); err != nil {
		t.Fatal(err)
	}
	if err := n.CheckIdentity(p, here); err == nil || !strings.Contains(err.Error(), "it was removed (noticed on 2026-11-23 12:00:00)") ||
		!strings.Contains(err.Error(), "'gravity leave --force'") {
		t.Errorf("removed: %v", err)
	}
	if machine, err := node.ThisMachine(); err != nil || machine.HostName == "" || len(machine.Addresses) == 0 {
		t.Errorf("this machine is %+v, %v", machine, err)
	}
}

func TestRemovals(t *testing.T) {
	p := paths.Paths{Root: t.TempDir()}
	removals, err := node.ReadRemovals(p)
	if err != nil || removals.Epoch() != "" {
		t.Errorf("without a file: %v, %v", removals, err)
	}
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	if err := (node.Removals{"node-2": at, "node-3": at.Add(-time.Hour)}).Write(p); err != nil {
		t.Fatal(err)
	}
	if removals, err = node.ReadRemovals(p); err != nil || removals.Epoch() != "2026-11-23T12:00:00Z" {
		t.Errorf("%v, %v", removals, err)
	}
	for _, test := range []struct {
		name   string
		issued time.Time
		void   bool
	}{
		{"node-1", at.Add(-time.Hour), false},
		{"node-2", at.Add(-time.Hour), true},
		{"node-2", at, true},
		{"node-2", at.Add(time.Second), false},
		{"node-3", at, false},
	} {
		if got := removals.Void(test.name, test.issued); got != test.void {
			t.Errorf("%+v: void %v", test, got)
		}
	}
}

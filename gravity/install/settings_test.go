package install_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/install"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

func settings() *install.Settings {
	return &install.Settings{
		Node: node.Node{
			Cluster: "test", Name: "node-1", Address: netip.MustParseAddr("192.168.1.1"), Role: "node", Runtime: "1.37.2",
			Application: "shop", Version: "1.0.0",
		},
		PodNetwork: install.DefaultPodNetwork, ServiceNetwork: install.DefaultServiceNetwork, VXLANPort: install.DefaultVXLANPort,
	}
}

func TestCheck(t *testing.T) {
	if err := settings().Check(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*install.Settings){
		"name of the cluster":   func(s *install.Settings) { s.Node.Cluster = "My Cluster" },
		"name of the node":      func(s *install.Settings) { s.Node.Name = "Node_1" },
		"host bits":             func(s *install.Settings) { s.PodNetwork = netip.MustParsePrefix("10.244.0.1/16") },
		"overlap":               func(s *install.Settings) { s.ServiceNetwork = netip.MustParsePrefix("10.244.128.0/20") },
		"contains this machine": func(s *install.Settings) { s.PodNetwork = netip.MustParsePrefix("192.168.0.0/16") },
		"small":                 func(s *install.Settings) { s.PodNetwork = netip.MustParsePrefix("10.244.0.0/24") },
		"port":                  func(s *install.Settings) { s.VXLANPort = 70000 },
		"domain": func(s *install.Settings) {
			s.DNSZones = map[string][]netip.AddrPort{"a {": {netip.MustParseAddrPort("10.0.0.1:53")}}
		},
	} {
		s := settings()
		change(s)
		if err := s.Check(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestCheckAddress refuses what only a machine itself, or another one, has.
func TestCheckAddress(t *testing.T) {
	for _, address := range []string{"127.0.0.1", "192.0.2.1", "0.0.0.0", "::1", "fe80::1%eth0"} {
		if err := install.CheckAddress(netip.MustParseAddr(address)); cli.ExitCode(err) != cli.ExitUsage {
			t.Errorf("%s: %v", address, err)
		}
	}
	if address, err := install.AdvertiseAddress(); err == nil {
		if err := install.CheckAddress(address); err != nil {
			t.Error(err)
		}
	}
}

func TestCheckSkipped(t *testing.T) {
	if err := install.CheckSkipped(manifest.NodeProfile{}, []string{"swap", "clock"}); err != nil {
		t.Error(err)
	}
	if err := install.CheckSkipped(manifest.NodeProfile{}, []string{"swop"}); cli.ExitCode(err) != cli.ExitUsage {
		t.Errorf("a check that is not there: %v", err)
	}
}

// TestCheckStateFolder refuses folders of others, which would be removed with
// Gravity.
func TestCheckStateFolder(t *testing.T) {
	root := t.TempDir()
	p := paths.Paths{Root: root}
	if err := install.CheckStateFolder(p); err != nil {
		t.Errorf("an empty folder: %v", err)
	}
	for _, name := range []string{"other", "bin"} {
		if err := os.Mkdir(filepath.Join(root, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := install.CheckStateFolder(p); (err == nil) != (name == "other") {
			t.Errorf("a folder with %q: %v", name, err)
		}
	}
	if err := os.Mkdir(filepath.Join(root, "operations"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := install.CheckStateFolder(p); err != nil {
		t.Errorf("a folder that was used before: %v", err)
	}
	for _, root := range []string{"/", "/a b", "/50%", "/$HOME"} {
		if err := install.CheckStateFolder(paths.Paths{Root: root}); cli.ExitCode(err) != cli.ExitUsage {
			t.Errorf("%s: %v", root, err)
		}
	}
}

func TestRole(t *testing.T) {
	m := &manifest.Manifest{NodeProfiles: []manifest.NodeProfile{{Name: "worker", ServiceRole: manifest.RoleNode}, {Name: "master"}, {Name: "other"}}}
	if role, err := install.Role(m, ""); err != nil || role != "master" {
		t.Errorf("%q, %v, want the first that can be a master", role, err)
	}
	if role, err := install.Role(m, "other"); err != nil || role != "other" {
		t.Errorf("%q, %v", role, err)
	}
	if _, err := install.Role(m, "none"); cli.ExitCode(err) != cli.ExitUsage {
		t.Errorf("a role that is not there: %v", err)
	}
	if _, err := install.Role(&manifest.Manifest{NodeProfiles: m.NodeProfiles[:1]}, ""); err == nil {
		t.Error("a cluster without a master")
	}
}

// TestNewPlan wants a valid plan, for each phase of which there is an executor.
func TestNewPlan(t *testing.T) {
	m := &manifest.Manifest{Metadata: manifest.Metadata{Name: "shop", ResourceVersion: "1.0.0"}}
	s := settings()
	s.Resources, s.GravityResources = "/x", "/x"
	plan, err := install.NewPlan(operation.NewID(), "1.0.0", s, m, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	executors := install.Executors(t.TempDir())
	leaves := 0
	var look func([]operation.Phase)
	look = func(phases []operation.Phase) {
		for _, phase := range phases {
			look(phase.Phases)
			if !phase.Leaf() {
				continue
			}
			leaves++
			if _, err := executors(t.Context(), plan, phase, nil); err != nil {
				t.Error(err)
			}
		}
	}
	look(plan.Phases)
	if leaves != 16 {
		t.Errorf("the plan has %d leaves", leaves)
	}
	if _, err := executors(t.Context(), plan, operation.Phase{ID: "/x", Executor: "none"}, nil); err == nil {
		t.Error("an executor that is not known is no error")
	}
}

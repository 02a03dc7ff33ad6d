package install_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/install"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
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
	} {
		s := settings()
		change(s)
		if err := s.Check(); err == nil {
			t.Errorf("%s: no error", name)
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

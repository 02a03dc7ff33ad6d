package install_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/install/installtest"
	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

func TestMain(m *testing.M) {
	lab.SuperviseIfAsked()
	os.Exit(m.Run())
}

const shopManifest = `apiVersion: cluster.gravitational.io/v2
kind: Cluster
metadata:
  name: shop
  resourceVersion: 1.0.0
installer:
  flavors:
    items:
      - name: one
        nodes: [{profile: node, count: 1}]
nodeProfiles:
  - name: node
    labels:
      tier: front
`

var shop = installtest.Application{
	Manifest: shopManifest, Name: "shop", Version: "1.0.0",
	Images: map[string]string{"docker.io/library/pause:1": "registry.k8s.io/pause:3.10.2"},
}

// run runs a command on a machine, whose output goes to the test's.
func run(ctx context.Context, t *testing.T, machine *lab.Machine, args ...string) error {
	t.Helper()
	_, err := machine.Run(ctx, lab.Command{Args: args, Stdout: t.Output(), Stderr: t.Output()})
	return err
}

// output runs a shell command on a machine and returns what it printed.
func output(ctx context.Context, t *testing.T, machine *lab.Machine, script string) string {
	t.Helper()
	result, err := machine.Run(ctx, lab.Command{Args: []string{"sh", "-c", script}})
	if err != nil {
		t.Errorf("%s: %v", script, err)
	}
	return strings.TrimSpace(result.Stdout)
}

// TestInstall installs on a machine that has no way to the outside, from
// nothing but an extracted bundle.
func TestInstall(t *testing.T) {
	installtest.SkipWithoutLab(t)
	program := installtest.Program(t)
	machine := installtest.Machine(t, "install", installtest.Bundle(t, program, shop))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	began := time.Now()
	if err := run(ctx, t, machine, "/root/app/install", "--cluster=test"); err != nil {
		installtest.Diagnose(t, machine)
		t.Fatal(err)
	}
	t.Logf("%.1f s from gravity install to an active cluster", time.Since(began).Seconds())
	if nodes := output(ctx, t, machine, "kubectl get nodes --no-headers"); !strings.Contains(nodes, " Ready ") {
		t.Errorf("nodes: %s", nodes)
	}
	if os.Getenv("GRAVITY_KEEP") != "" {
		<-ctx.Done()
	}
}

package upkeep

import (
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// TestIdentify wants a machine that is the node to start a container that systemd has
// skipped, and none that was stopped.
func TestIdentify(t *testing.T) {
	for _, test := range []struct {
		name, result, address string
		// unfit is what the agent has seen before.
		unfit, starts bool
	}{
		{"skipped at boot", "exec-condition", "127.0.0.1", false, true},
		{"skipped, and still unfit", "exec-condition", "192.0.2.1", true, false},
		{"stopped by somebody, or running", "success", "127.0.0.1", false, false},
		{"back again", "success", "127.0.0.1", true, true},
		{"failed", "exit-code", "127.0.0.1", false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			called := fakeSystemctl(t, test.result)
			u := &Upkeep{
				Paths: paths.Paths{Root: t.TempDir()}, Log: slog.New(slog.DiscardHandler),
				Node: &node.Node{Cluster: "test", Name: "node-1", Address: netip.MustParseAddr(test.address)},
			}
			_, _ = u.identify(t.Context(), test.unfit) // the host is not called node-1
			if starts := slices.Contains(called(), "start --no-block gravity-master.service"); starts != test.starts {
				t.Errorf("it is started: %v, want %v; called %q", starts, test.starts, called())
			}
		})
	}
}

// fakeSystemctl is a systemctl that tells how a unit ended. The function it returns
// lists its calls.
func fakeSystemctl(t *testing.T, result string) (called func() []string) {
	t.Helper()
	folder := t.TempDir()
	log := filepath.Join(folder, "log")
	script := "#!/bin/sh\necho \"$*\" >>" + log + "\ncase \"$*\" in\n" +
		"'show --property=Result --value gravity-master.service') echo " + result + ";;\nis-active*) exit 3;;\nesac\n"
	if err := os.WriteFile(filepath.Join(folder, "systemctl"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", folder+string(os.PathListSeparator)+os.Getenv("PATH"))
	return func() []string {
		content, err := os.ReadFile(log)
		if err != nil && !os.IsNotExist(err) {
			t.Error(err)
		}
		return strings.Split(strings.TrimSpace(string(content)), "\n")
	}
}

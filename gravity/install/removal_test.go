package install

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// TestRemovalText wants what fails to be tried again, also by a systemd that restarts
// no unit of type oneshot.
func TestRemovalText(t *testing.T) {
	text := removalText(paths.Paths{Root: "/srv/gravity"})
	for _, want := range []string{
		"ExecStart=/srv/gravity/bin/gravity system uninstall --confirm --state-dir=/srv/gravity\n", "Restart=on-failure\n",
		"ConditionPathExists=/srv/gravity/bin/gravity\n", "StartLimitIntervalSec=0\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "oneshot") {
		t.Error("it is of type oneshot")
	}
}

func TestRemovalFailure(t *testing.T) {
	for text, want := range map[string]bool{
		"Result=success\nNRestarts=0\n": false, "Result=exit-code\nNRestarts=0\n": true, "Result=success\nNRestarts=2\n": true, "": false,
	} {
		if got := failedBefore(text); got != want {
			t.Errorf("%q: failed %t", text, got)
		}
	}
	for text, want := range map[string]string{
		"": "gravity-uninstall.service: the unit has failed",
		"Started.\nerror: unmount /srv: busy\nhint: repeat it\nMain process exited\n": "gravity-uninstall.service: unmount /srv: busy",
	} {
		if got := removalReason(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestCheckRemoval refuses what would be made while everything is removed.
func TestCheckRemoval(t *testing.T) {
	units := t.TempDir()
	if err := checkRemoval(units); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(units, RemovalUnit), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := checkRemoval(units); cli.ExitCode(err) != cli.ExitBusy || len(cli.Hints(err)) != 1 {
		t.Errorf("%v with exit code %d", err, cli.ExitCode(err))
	}
}

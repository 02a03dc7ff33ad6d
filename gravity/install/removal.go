package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// RemovalUnit is the unit that removes Gravity from a machine, also after a loss
// of power in the middle of it. It removes itself, too.
const RemovalUnit = "gravity-uninstall.service"

// removalText is the unit's. What fails is tried again, as long as the program is there:
// nobody may be left who could begin it. Before version 244, systemd restarts no unit of
// type oneshot.
func removalText(p paths.Paths) string {
	return fmt.Sprintf(`[Unit]
Description=Remove Gravity from this machine
Documentation=https://github.com/gravity-platform/terraform-provider-gravity
RequiresMountsFor=%[1]s
ConditionPathExists=%[2]s
StartLimitIntervalSec=0

[Service]
ExecStart=%[2]s system uninstall --confirm --state-dir=%[1]s
Restart=on-failure
RestartSec=5

[Install]
WantedBy=multi-user.target
`, p.Root, p.Program())
}

// BeginRemoval begins to remove Gravity from this machine, in a unit, and
// returns.
func BeginRemoval(ctx context.Context, p paths.Paths) error {
	if err := paths.WriteFile(filepath.Join(paths.UnitFolder, RemovalUnit), []byte(removalText(p)), 0o644); err != nil {
		return err
	}
	commands := [][]string{{"daemon-reload"}, {"enable", "--quiet", RemovalUnit}}
	// After a loss of power nothing else starts: a kubelet would register the node again.
	for _, unit := range []string{container.Unit, AgentUnit} {
		if exists(filepath.Join(paths.UnitFolder, unit)) {
			commands = append(commands, []string{"disable", "--quiet", unit})
		}
	}
	for _, args := range commands {
		if err := container.Systemctl(ctx, args...); err != nil {
			return err
		}
	}
	unix.Sync() // systemctl's links; from here on the removal comes to its end
	return container.Systemctl(ctx, "start", "--no-block", RemovalUnit)
}

// RemovalFailure is why the unit did not remove Gravity when it tried last; empty if it
// has not failed.
func RemovalFailure(ctx context.Context) string {
	shown, err := exec.CommandContext(ctx, "systemctl", "show", "--property=Result,NRestarts", RemovalUnit).Output()
	if err != nil || !failedBefore(string(shown)) {
		return ""
	}
	// Without a journal, the reason is where the unit's output goes.
	journal, _ := exec.CommandContext(ctx, "journalctl", "--no-pager", "--boot", "--output=cat", "--lines=100", "--unit="+RemovalUnit).Output()
	return removalReason(string(journal))
}

// failedBefore reads properties of a unit: its result is reset when it starts again.
func failedBefore(properties string) bool {
	for line := range strings.Lines(properties) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if name == "Result" && value != "success" || name == "NRestarts" && value != "0" {
			return true
		}
	}
	return false
}

// removalReason is the last error in the unit's output.
func removalReason(output string) string {
	reason := "the unit has failed"
	for line := range strings.Lines(output) {
		if text, found := strings.CutPrefix(strings.TrimSpace(line), "error: "); found {
			reason = text
		}
	}
	return RemovalUnit + ": " + reason
}

// Removing tells whether Gravity is being removed from this machine, by the unit.
func Removing() bool { return removing(paths.UnitFolder) }

func removing(units string) bool { return exists(filepath.Join(units, RemovalUnit)) }

// CheckRemoval fails while Gravity is being removed from this machine: what is made
// meanwhile would be removed, too.
func CheckRemoval() error { return checkRemoval(paths.UnitFolder) }

func checkRemoval(units string) error {
	if !removing(units) {
		return nil
	}
	return cli.WithHint(cli.Busy(errors.New("everything of Gravity is being removed from this machine")),
		"try again when 'systemctl status %[1]s' shows no such unit; 'journalctl -u %[1]s' says what it waits for", RemovalUnit)
}

// endRemoval removes the unit without stopping it: it may be this process. systemd is
// not told, since without its file it would not know what kind of unit ends here, and
// forgets it by itself then.
func endRemoval(ctx context.Context) error {
	path := filepath.Join(paths.UnitFolder, RemovalUnit)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := container.Systemctl(ctx, "disable", "--quiet", RemovalUnit); err != nil {
		return err
	}
	return os.Remove(path)
}

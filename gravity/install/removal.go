package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// RemovalUnit is the unit that removes Gravity from a machine, also after a loss
// of power in the middle of it. It removes itself, too.
const RemovalUnit = "gravity-uninstall.service"

func removalText(p paths.Paths) string {
	return fmt.Sprintf(`[Unit]
Description=Remove Gravity from this machine
Documentation=https://github.com/gravity-platform/terraform-provider-gravity
RequiresMountsFor=%[1]s

[Service]
Type=oneshot
ExecStart=%[2]s system uninstall --confirm --state-dir=%[1]s
TimeoutStartSec=infinity

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

// Removing tells whether Gravity is being removed from this machine, by the unit.
func Removing() bool {
	_, err := os.Stat(filepath.Join(paths.UnitFolder, RemovalUnit))
	return err == nil
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

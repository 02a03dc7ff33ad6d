package container

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// unitText is the host's unit. SIGRTMIN+3 asks a systemd to power off; runc
// hands it on. What is left after that ends with the container's PID 1.
const unitText = `[Unit]
Description=Gravity master container
Documentation=https://github.com/gravity-platform/terraform-provider-gravity
After=network-online.target
Wants=network-online.target
RequiresMountsFor=%[1]s
StartLimitIntervalSec=0

[Service]
ExecCondition=%[2]s system fit --state-dir=%[1]s
ExecStartPre=-%[3]s --root %[4]s delete --force %[5]s
ExecStartPre=%[2]s system prepare --state-dir=%[1]s
ExecStart=%[3]s --root %[4]s run --bundle %[6]s %[5]s
ExecStopPost=-%[3]s --root %[4]s delete --force %[5]s
KillMode=mixed
KillSignal=SIGRTMIN+3
TimeoutStopSec=90
Delegate=yes
Restart=always
RestartSec=2
TasksMax=infinity
LimitNOFILE=1048576

[Install]
WantedBy=multi-user.target
`

// UnitText is the text of the container's unit.
func (c *Container) UnitText() string {
	p := c.paths
	return fmt.Sprintf(unitText, p.Root, p.Program(), p.Tool("runc"), paths.RuncRoot, Name, p.Current())
}

// EnsureUnit writes a unit of the host, and makes it start now and at boot.
func EnsureUnit(ctx context.Context, name, text string) error {
	if err := paths.WriteFile(filepath.Join(paths.UnitFolder, name), []byte(text), 0o644); err != nil {
		return err
	}
	for _, args := range [][]string{{"daemon-reload"}, {"enable", "--quiet", name}, {"start", name}} {
		if err := Systemctl(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// RemoveUnit stops a unit of the host and removes it. One that is not there is
// no error.
func RemoveUnit(ctx context.Context, name string) error {
	path := filepath.Join(paths.UnitFolder, name)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := Systemctl(ctx, "disable", "--now", "--quiet", name); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	_ = Systemctl(ctx, "reset-failed", name) // it has none if it never failed
	return Systemctl(ctx, "daemon-reload")
}

// Systemctl runs systemctl on the host.
func Systemctl(ctx context.Context, args ...string) error {
	output, err := exec.CommandContext(ctx, "systemctl", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("systemctl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(output)))
	}
	return nil
}

// Start starts the container now and at each boot, and waits until it is up.
func (c *Container) Start(ctx context.Context) error {
	if err := EnsureUnit(ctx, Unit, c.UnitText()); err != nil {
		return fmt.Errorf("start the master container: %w", err)
	}
	return c.WaitUp(ctx)
}

// Stop ends the container with everything in it; it starts again at boot.
func (c *Container) Stop(ctx context.Context) error { return Systemctl(ctx, "stop", Unit) }

// upTimeout bounds how long the container may take to be up.
const upTimeout = 2 * time.Minute

// WaitUp waits until the container's systemd and containerd and, on a master, the
// registry answer.
func (c *Container) WaitUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, upTimeout, fmt.Errorf("it is not up after %s", upTimeout))
	defer cancel()
	for {
		err := c.up(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the master container: %w: %w", context.Cause(ctx), err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (c *Container) up(ctx context.Context) error {
	if !c.Running() {
		return errors.New("runc does not run it")
	}
	n, err := node.Read(c.paths)
	if err != nil {
		return err
	}
	if !n.Master {
		_, err := c.Exec(ctx, Command{Args: []string{"systemctl", "is-active", "containerd"}})
		return err
	}
	if _, err := c.Exec(ctx, Command{Args: []string{"systemctl", "is-active", "containerd", "registry"}}); err != nil {
		return err
	}
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", RegistryAddress())
	if err != nil {
		return err
	}
	return conn.Close()
}

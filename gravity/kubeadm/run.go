package kubeadm

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/container"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// What kubeadm reads and writes, as the master container sees it.
const (
	configFile  = "/etc/kubernetes/kubeadm.yaml"
	patchFolder = "/etc/kubernetes/patches"
	patchName   = "kubeletconfiguration0+merge.yaml"
	// unit runs kubeadm: there is never more than one.
	unit = "gravity-kubeadm.service"
)

// executor runs programs inside the master container.
type executor interface {
	// Exec runs a program to its end; see container.Container.
	Exec(ctx context.Context, command container.Command) (string, error)
}

// Initialized tells whether kubeadm has done its work on this node.
func Initialized(p paths.Paths) bool {
	_, err := os.Stat(p.KubernetesFile("initialized"))
	return err == nil
}

// Init makes a cluster of this node alone, by kubeadm init. It may be called
// again after it was interrupted: what kubeadm made before is kept. The log
// receives what kubeadm prints, which has no secrets.
func Init(ctx context.Context, p paths.Paths, in executor, config *Config, log io.Writer) error {
	if Initialized(p) {
		return nil
	}
	files, err := config.Patches()
	if err != nil {
		return err
	}
	// kubeadm checks that nothing is there; if it was here before, there is.
	again := exists(p.KubernetesFile(filepath.Base(configFile)))
	content, err := config.Init(again)
	if err != nil {
		return err
	}
	files[filepath.Base(configFile)] = content
	for name, content := range files {
		if err := paths.WriteFile(p.KubernetesFile(name), content, 0o600); err != nil {
			return err
		}
	}
	if err := run(ctx, in, config, log, "init", "--config", configFile, "--skip-token-print", "--skip-certificate-key-print"); err != nil {
		return fmt.Errorf("make the control plane: %w", err)
	}
	return markInitialized(p, config)
}

// markInitialized records that kubeadm has done its work on this node.
func markInitialized(p paths.Paths, config *Config) error {
	return paths.WriteFile(p.KubernetesFile("initialized"), []byte(config.Version+"\n"), 0o600)
}

// run runs kubeadm in a unit of its own.
func run(ctx context.Context, in executor, config *Config, log io.Writer, args ...string) error {
	// A process that was killed may have left a kubeadm that still runs.
	if _, err := in.Exec(ctx, container.Command{Args: []string{
		"sh", "-c", "systemctl stop " + unit + " 2>/dev/null || ! systemctl is-active --quiet " + unit,
	}}); err != nil {
		return fmt.Errorf("stop an earlier kubeadm: %w", err)
	}
	command := []string{"systemd-run", "--quiet", "--collect", "--wait", "--pipe", "--unit=" + unit}
	command = append(append(append(command, config.unset()...), "kubeadm"), args...)
	_, err := in.Exec(ctx, container.Command{Args: command, Stdout: log, Stderr: log})
	return err
}

// OpenLog opens the file that has what kubeadm prints on this node.
func OpenLog(p paths.Paths) (*os.File, error) {
	if err := os.MkdirAll(p.Log(), 0o755); err != nil {
		return nil, err
	}
	return os.OpenFile(filepath.Join(p.Log(), "kubeadm.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/network"
)

// ErrNotRoot says that only root can run a lab.
var ErrNotRoot = errors.New("a lab needs root: it mounts file systems and makes network interfaces")

// tools are the programs that a lab runs, with the Debian packages that have
// them.
var tools = []struct{ program, pack string }{
	{"mmdebstrap", "mmdebstrap"},
	{"systemd-nspawn", "systemd-container"},
	{"mkfs.ext4", "e2fsprogs"},
	{"ssh", "openssh-client"},
}

// modules are loaded where modprobe exists; they may also be built in.
var modules = []string{
	"overlay", "loop", "bridge", "veth", "br_netfilter", "nf_conntrack", "nf_tables", "nft_compat", "vxlan", "fuse", "tun",
}

// Check returns an error that names everything that this host lacks and that
// cannot be installed.
func Check() error {
	if os.Geteuid() != 0 {
		return cli.WithHint(ErrNotRoot, "run it with sudo")
	}
	loadModules()
	var missing []string
	filesystems, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return fmt.Errorf("find out what the kernel can do: %w", err)
	}
	for _, name := range []string{"overlay", "ext4", "tmpfs"} {
		if !slices.Contains(strings.Fields(string(filesystems)), name) {
			missing = append(missing, "file system "+name)
		}
	}
	for _, name := range []string{"cgroup", "ipc", "mnt", "net", "pid", "uts"} {
		if _, err := os.Stat("/proc/self/ns/" + name); err != nil {
			missing = append(missing, name+" namespaces")
		}
	}
	if len(missing) == 0 {
		if err := network.Probe(); err != nil {
			missing = append(missing, fmt.Sprintf("bridges or veth pairs (%v)", err))
		}
	}
	if len(missing) > 0 {
		return cli.WithHint(fmt.Errorf("this host cannot run a lab; its kernel does not give: %s", strings.Join(missing, ", ")),
			"use a host (or a container with all capabilities) whose kernel has them, or load the modules: %s",
			strings.Join(modules, " "))
	}
	return nil
}

// loadModules ignores errors: what is missing shows in the checks.
func loadModules() {
	if modprobe, err := exec.LookPath("modprobe"); err == nil {
		_ = exec.Command(modprobe, append([]string{"--all", "--quiet"}, modules...)...).Run()
	}
}

// Install installs the packages of the programs that are missing, and says so.
func Install(ctx context.Context, progress func(string)) error {
	var programs, packages []string
	for _, tool := range tools {
		if _, err := exec.LookPath(tool.program); err != nil {
			programs = append(programs, tool.program)
			packages = append(packages, tool.pack)
		}
	}
	if len(packages) == 0 {
		return nil
	}
	lacks := fmt.Errorf("this host lacks %s", strings.Join(programs, ", "))
	aptGet, err := exec.LookPath("apt-get")
	if err != nil {
		return cli.WithHint(lacks, "install them; on Debian they are in the packages %s", strings.Join(packages, " "))
	}
	progress("installing on this host: " + strings.Join(packages, " "))
	arguments := append([]string{"install", "--yes", "--no-install-recommends"}, packages...)
	command := exec.CommandContext(ctx, aptGet, arguments...)
	command.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8")
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := command.Run(); err != nil {
		lines := strings.Split(strings.TrimSpace(output.String()), "\n")
		return cli.WithHint(fmt.Errorf("%w, and apt-get install %s failed: %w: %s", lacks, strings.Join(packages, " "), err,
			strings.Join(lines[max(0, len(lines)-3):], "; ")), "run 'apt-get update' and try again")
	}
	return nil
}

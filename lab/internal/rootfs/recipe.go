package rootfs

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/gravity-platform/terraform-provider-gravity/internal/debian"
)

// DefaultPackages are what a minimal server has, and what Kubernetes asks of a
// host; nothing of Kubernetes itself and no Python.
var DefaultPackages = []string{
	"ca-certificates", "conntrack", "curl", "dbus", "ethtool", "iproute2", "iptables", "iputils-ping", "kmod",
	"less", "libpam-systemd", "nftables", "openssh-server", "openssh-sftp-server", "procps", "sudo", "systemd",
	"systemd-sysv",
}

// required are the packages without which a machine of a lab does not work.
var required = []string{"dbus", "iproute2", "openssh-server", "systemd", "systemd-sysv"}

// AdminUser is the user that is not root and may become root without a
// password.
const AdminUser = "admin"

// Recipe is everything that the content of a root file system depends on, but
// for the versions of the packages on the day of the build.
type Recipe struct {
	Suite    string   `json:"suite"`
	Packages []string `json:"packages"`
	Hooks    []string `json:"hooks"`
	Excludes []string `json:"excludes"`
	Files    []File   `json:"files"`
}

// File is a file or, with Link, a symbolic link of a root file system.
type File struct {
	Path    string `json:"path"`
	Content string `json:"content,omitempty"`
	Link    string `json:"link,omitempty"`
	Mode    uint32 `json:"mode,omitempty"`
}

// NewRecipe is the recipe with the given packages, in any order, and those
// that every machine needs.
func NewRecipe(packages []string) Recipe {
	packages = slices.Concat(packages, required)
	slices.Sort(packages)
	return Recipe{
		Suite:    debian.Suite,
		Packages: slices.Compact(packages),
		Hooks: []string{
			`chroot "$1" useradd --create-home --shell /bin/bash ` + AdminUser,
			`rm -f "$1"/etc/ssh/ssh_host_* "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/*`,
			`rm -f "$1"/etc/hostname "$1"/etc/resolv.conf "$1"/etc/motd`,
		},
		Excludes: []string{"/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/man/*"},
		Files:    files(),
	}
}

// Key names the recipe in the cache.
func (r Recipe) Key() (string, error) {
	content, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("hash the recipe of a root file system: %w", err)
	}
	sum := sha256.Sum256(content)
	return r.Suite + "-" + hex.EncodeToString(sum[:8]), nil
}

// cgroupService makes the controllers of cgroup v1 writable, which nspawn
// mounts read-only; kubelet and runc need them. On cgroup v2 it finds nothing
// to do.
const cgroupService = `[Unit]
Description=Make the cgroups of this machine writable
DefaultDependencies=no
Before=sysinit.target
ConditionPathExists=!/sys/fs/cgroup/cgroup.controllers

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'for m in /sys/fs/cgroup /sys/fs/cgroup/*; do if mountpoint -q "$m"; then mount -o remount,bind,rw "$m"; fi; done'
`

const sshdConfig = `PermitRootLogin prohibit-password
PasswordAuthentication no
UseDNS no
PrintMotd no
MaxSessions 100
MaxStartups 100
`

func files() []File {
	files := []File{
		{Path: "etc/systemd/system/lab-cgroups.service", Content: cgroupService, Mode: 0o644},
		{Path: "etc/systemd/system/sysinit.target.wants/lab-cgroups.service", Link: "/etc/systemd/system/lab-cgroups.service"},
		{Path: "etc/systemd/system/default.target", Link: "/usr/lib/systemd/system/multi-user.target"},
		{Path: "etc/ssh/sshd_config.d/lab.conf", Content: sshdConfig, Mode: 0o644},
		{Path: "etc/sudoers.d/lab", Content: AdminUser + " ALL=(ALL) NOPASSWD: ALL\n", Mode: 0o440},
		{Path: "etc/default/locale", Content: "LANG=C.UTF-8\n", Mode: 0o644},
		{Path: "etc/machine-id", Content: "", Mode: 0o444},
	}
	// What wants the internet, a console or hardware only costs time at boot.
	masked := []string{
		"apt-daily-upgrade.timer", "apt-daily.timer", "console-getty.service", "dpkg-db-backup.timer",
		"e2scrub_all.timer", "e2scrub_reap.service", "getty.target", "modprobe@.service",
		"sys-kernel-debug.mount", "sys-kernel-tracing.mount",
	}
	for _, unit := range masked {
		files = append(files, File{Path: "etc/systemd/system/" + unit, Link: "/dev/null"})
	}
	return files
}

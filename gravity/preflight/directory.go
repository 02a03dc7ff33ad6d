package preflight

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// unfit are file systems that the state directory cannot be on.
var unfit = map[string]string{
	"overlay": "overlays do not nest",
	"tmpfs":   "it is gone after a restart",
	"ramfs":   "it is gone after a restart",
	"nfs":     "overlays and etcd need a local file system",
	"nfs4":    "overlays and etcd need a local file system",
	"cifs":    "overlays and etcd need a local file system",
	"smb3":    "overlays and etcd need a local file system",
	"9p":      "overlays and etcd need a local file system",
	"vfat":    "it has no owners and links",
	"ntfs3":   "it has no owners and links",
}

func (o *Options) checkStateDir(context.Context) (finding, error) {
	dir, err := o.Machine.existing(o.StateDir)
	if err != nil {
		return finding{}, err
	}
	mount, err := o.Machine.mountOf(dir)
	if err != nil {
		return finding{}, err
	}
	found := passed("%s is on %s (%s)", o.StateDir, mount.FSType, mount.Mountpoint).want("a local file system such as ext4 or xfs, without noexec")
	reason, bad := unfit[mount.FSType]
	if strings.HasPrefix(mount.FSType, "fuse") {
		reason, bad = "overlays and etcd need a file system of the kernel", true
	}
	remedy := fmt.Sprintf("mount a disk with ext4 or xfs at %s, or name a directory on one with --state-dir", o.StateDir)
	switch {
	case bad:
		found.measured += ": " + reason
		return found.unless(false, "%s", remedy), nil
	case hasOption(mount, "noexec"):
		found.measured += " with noexec: programs could not run"
		return found.unless(false, "mount -o remount,exec %s, and remove noexec from /etc/fstab", mount.Mountpoint), nil
	case hasOption(mount, "ro"):
		found.measured += " and read-only"
		return found.unless(false, "mount -o remount,rw %s", mount.Mountpoint), nil
	}
	return found, nil
}

// Overlays need a file system that tells the types of entries of directories;
// xfs does not if it was made with ftype=0.
func (o *Options) checkEntryTypes(context.Context) (finding, error) {
	dir, err := o.Machine.existing(o.StateDir)
	if err != nil {
		return finding{}, err
	}
	known, err := entryTypes(o.Machine.path(dir))
	if err != nil {
		return finding{}, err
	}
	if !known {
		return passed("%s does not tell the types of files", dir).want("d_type (xfs with ftype=1)").
			unless(false, "make the file system again: mkfs.xfs -n ftype=1"), nil
	}
	return passed("%s tells the types of files", dir).want("d_type (xfs with ftype=1)"), nil
}

// entryTypes tells whether the entries of a directory have types. Every
// directory has the entry ".".
func entryTypes(dir string) (bool, error) {
	file, err := os.Open(dir)
	if err != nil {
		return false, err
	}
	defer file.Close()
	buffer := make([]byte, 32<<10)
	n, err := unix.ReadDirent(int(file.Fd()), buffer)
	if err != nil {
		return false, &os.PathError{Op: "getdents", Path: dir, Err: err}
	}
	return parseEntryTypes(buffer[:n])
}

// parseEntryTypes looks through entries as getdents64 returns them: number and
// offset of 8 bytes, length of 2, type of 1, name.
func parseEntryTypes(entries []byte) (bool, error) {
	const lengthAt, typeAt, nameAt = 16, 18, 19
	found := false
	for len(entries) > 0 {
		if len(entries) < nameAt {
			return false, errors.New("an entry of the directory is cut off")
		}
		length := int(binary.NativeEndian.Uint16(entries[lengthAt:]))
		if length < nameAt || length > len(entries) {
			return false, fmt.Errorf("an entry of the directory has %d bytes", length)
		}
		found = true
		if entries[typeAt] == unix.DT_UNKNOWN {
			return false, nil
		}
		entries = entries[length:]
	}
	return found, nil
}

func (o *Options) checkTempDir(context.Context) (finding, error) {
	const wanted = "writable, without noexec"
	info, err := os.Stat(o.Machine.path(o.TempDir))
	if err != nil || !info.IsDir() {
		return passed("%s is no directory", o.TempDir).want(wanted). //nolint:nilerr // that is the finding
										unless(false, "mkdir --mode=1777 %s, or set TMPDIR", o.TempDir), nil
	}
	dir, err := o.Machine.existing(o.TempDir)
	if err != nil {
		return finding{}, err
	}
	mount, err := o.Machine.mountOf(dir)
	if err != nil {
		return finding{}, err
	}
	if hasOption(mount, "noexec") {
		return passed("%s is mounted with noexec", o.TempDir).want(wanted).
			unless(false, "set TMPDIR to another directory, or mount -o remount,exec %s", mount.Mountpoint), nil
	}
	file, err := nameless(o.Machine.path(dir))
	if err != nil {
		return passed("%s is not writable: %v", o.TempDir, err).want(wanted).
			unless(false, "chmod 1777 %s, or set TMPDIR", o.TempDir), nil
	}
	return passed("%s is writable", o.TempDir).want(wanted), file.Close()
}

// nameless makes a file that has no name, so that nothing is left of it however
// this program ends.
func nameless(dir string) (*os.File, error) {
	descriptor, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return os.NewFile(uintptr(descriptor), dir+" (temporary)"), nil
	}
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EISDIR) {
		return nil, &os.PathError{Op: "make a temporary file in", Path: dir, Err: err}
	}
	// Some file systems cannot do it: then the name goes at once.
	file, err := os.CreateTemp(dir, ".gravity-check-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// The kinds of disks.
const (
	KindImage     = "image"
	KindDirectory = "directory"
)

// Disk is the mounted disk of one machine. All its mounts are in the caller's
// mount namespace.
type Disk struct {
	// Kind is KindImage or KindDirectory.
	Kind string
	// Path is the image or the directory.
	Path string
	// Root is the machine's root file system, mounted.
	Root string
	// Data is a directory of a plain file system, for what needs one: an
	// overlay cannot hold the upper layer of another overlay.
	Data string

	mount string
}

// Create makes a disk of the given size in a directory, and mounts it there
// below the root file system of base.
func Create(ctx context.Context, directory, base string, size int64, images bool) (_ *Disk, err error) {
	disk := &Disk{
		Kind:  KindDirectory,
		Path:  filepath.Join(directory, "disk"),
		Root:  filepath.Join(directory, "root"),
		mount: filepath.Join(directory, "disk"),
	}
	for _, path := range []string{disk.Path, disk.Root} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return nil, fmt.Errorf("create a disk: %w", err)
		}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, disk.Close())
		}
	}()
	if images {
		disk.Kind, disk.Path = KindImage, filepath.Join(directory, "disk.img")
		if err := createImage(ctx, disk.Path, size); err != nil {
			return nil, err
		}
		if err := mountImage(disk.Path, disk.mount); err != nil {
			return nil, err
		}
	}
	disk.Data = filepath.Join(disk.mount, "data")
	upper, work := filepath.Join(disk.mount, "upper"), filepath.Join(disk.mount, "work")
	for _, path := range []string{disk.Data, upper, work} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return nil, fmt.Errorf("create a disk: %w", err)
		}
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", escape(base), escape(upper), escape(work))
	if err := unix.Mount("overlay", disk.Root, "overlay", 0, options); err != nil {
		return nil, fmt.Errorf("mount the root file system of a machine at %s: %w", disk.Root, err)
	}
	return disk, nil
}

// escape protects what overlay's options give a meaning.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, ":", `\:`, ",", `\,`).Replace(path)
}

func createImage(ctx context.Context, path string, size int64) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("create a disk image: %w", err)
	}
	defer file.Close()
	if err := file.Truncate(size); err != nil {
		return fmt.Errorf("create a disk image of %d bytes: %w", size, err)
	}
	command := exec.CommandContext(ctx, "mkfs.ext4", "-q", "-m", "0", "-E", "nodiscard,lazy_itable_init=1,lazy_journal_init=1", path)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("make a file system in %s: %w: %s", path, err, strings.TrimSpace(string(output)))
	}
	return nil
}

// mountImage attaches a loop device that the kernel lets go of by itself with
// the last mount, so also when the mount namespace ends with its processes.
//
// The machine's file system does not pass its flushes on to the host's disk: a
// machine that is killed loses nothing by that, as its disk stays mounted, and
// three etcd members on one host's disk would otherwise wait for each other.
func mountImage(image, target string) error {
	file, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("open a disk image: %w", err)
	}
	defer file.Close()
	loop, err := attach(file)
	if err != nil {
		return err
	}
	defer loop.Close()
	if err := unix.Mount(loop.Name(), target, "ext4", unix.MS_NOATIME, "nobarrier,discard"); err != nil {
		return fmt.Errorf("mount disk image %s at %s: %w", image, target, err)
	}
	return nil
}

// attach binds a file to a free loop device. Another process may take the one
// that was free, so it tries a few times.
func attach(file *os.File) (*os.File, error) {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("attach a loop device: %w", err)
	}
	defer control.Close()
	config := unix.LoopConfig{Fd: uint32(file.Fd()), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}}
	copy(config.Info.File_name[:len(config.Info.File_name)-1], file.Name())
	for range 64 {
		number, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, fmt.Errorf("find a free loop device: %w", err)
		}
		loop, err := os.OpenFile(fmt.Sprintf("/dev/loop%d", number), os.O_RDWR, 0)
		if err != nil {
			return nil, fmt.Errorf("attach a loop device: %w", err)
		}
		err = unix.IoctlLoopConfigure(int(loop.Fd()), &config)
		if err == nil {
			return loop, nil
		}
		_ = loop.Close()
		if !errors.Is(err, unix.EBUSY) {
			return nil, fmt.Errorf("attach %s to %s: %w", file.Name(), loop.Name(), err)
		}
	}
	return nil, fmt.Errorf("attach %s to a loop device: every free one was taken by others", file.Name())
}

// Allocated is what the disk takes of the host's: of an image what is written,
// of a directory zero, since nobody counts that.
func (d *Disk) Allocated() int64 {
	var stat unix.Stat_t
	if d.Kind != KindImage || unix.Stat(d.Path, &stat) != nil {
		return 0
	}
	return stat.Blocks * 512
}

// Close unmounts the disk. Its files stay.
func (d *Disk) Close() error {
	var errs []error
	for _, path := range []string{d.Root, d.mount} {
		// EINVAL: it is no mount point, as with a directory or half a disk.
		if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			errs = append(errs, fmt.Errorf("unmount %s: %w", path, err))
		}
	}
	return errors.Join(errs...)
}

// Usable tells why loop devices cannot be used here; nil if they can.
func Usable() error {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer control.Close()
	number, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
	if err != nil {
		return fmt.Errorf("find a free loop device: %w", err)
	}
	// A container may have the control device and none of the others.
	loop, err := os.OpenFile(fmt.Sprintf("/dev/loop%d", number), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return loop.Close()
}

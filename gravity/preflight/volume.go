package preflight

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
)

func (o *Options) checkVolumes(context.Context) (finding, error) {
	volumes := o.Profile.Requirements.Volumes
	if len(volumes) == 0 {
		return passed("the profile has none"), nil
	}
	var found problems
	var measured []string
	for _, volume := range volumes {
		text, remedy, err := o.checkVolume(volume)
		if err != nil {
			return finding{}, fmt.Errorf("volume %s: %w", volume.Path, err)
		}
		measured = append(measured, text)
		if remedy != "" {
			found.add(text, remedy)
		}
	}
	return found.finding(passed("%s", strings.Join(measured, "; "))), nil
}

// checkVolume says what a volume has and, if it does not do, what to do.
func (o *Options) checkVolume(volume manifest.Volume) (measured, remedy string, err error) {
	path := string(volume.Path)
	info, err := os.Stat(o.Machine.path(path))
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case err != nil && !missing:
		return "", "", err
	case missing && volume.SkipIfMissing:
		return path + " is missing and will be left out", "", nil
	case missing && !volume.CreateIfMissing:
		return path + " is missing", "mkdir -p " + path + ", or mount a disk there", nil
	case !missing && !info.IsDir():
		return path + " is no directory", "move it away", nil
	}
	dir, err := o.Machine.existing(path)
	if err != nil {
		return "", "", err
	}
	mount, err := o.Machine.mountOf(dir)
	if err != nil {
		return "", "", err
	}
	state, err := o.Machine.Statfs(o.Machine.path(dir))
	if err != nil {
		return "", "", err
	}
	measured = fmt.Sprintf("%s has %s of %s", path, size(state.Size), mount.FSType)
	if state.Size < uint64(volume.Capacity) {
		return fmt.Sprintf("%s and needs %s", measured, capacity(volume.Capacity)),
			fmt.Sprintf("mount a file system of %s at %s", capacity(volume.Capacity), path), nil
	}
	if allowed := volume.Filesystems; len(allowed) > 0 && !slices.Contains(allowed, mount.FSType) {
		names := strings.Join(allowed, " or ")
		return fmt.Sprintf("%s and needs %s", measured, names), fmt.Sprintf("mount a file system of type %s at %s", names, path), nil
	}
	return measured, "", nil
}

func (o *Options) checkVolumeSpeed(ctx context.Context) (finding, error) {
	var found problems
	var measured []string
	for _, volume := range o.Profile.Requirements.Volumes {
		path := string(volume.Path)
		if volume.MinTransferRate == 0 || !o.Machine.exists(path) && !volume.CreateIfMissing {
			continue // what is missing is for the other check to say
		}
		dir, err := o.Machine.existing(path)
		if err != nil {
			return finding{}, err
		}
		rate, written, err := o.Machine.speed(ctx, dir)
		if err != nil {
			return finding{}, fmt.Errorf("volume %s: %w", path, err)
		}
		text := fmt.Sprintf("%s writes %s/s", path, size(uint64(rate)))
		measured = append(measured, fmt.Sprintf("%s (%s written)", text, size(uint64(written)))) //nolint:gosec // a size
		if rate < volume.MinTransferRate {
			found.add(fmt.Sprintf("%s and needs %s/s", text, size(uint64(volume.MinTransferRate))), "use a faster disk for "+path)
		}
	}
	if len(measured) == 0 {
		return passed("the profile asks for none"), nil
	}
	return found.finding(passed("%s", strings.Join(measured, "; "))), nil
}

func (o *Options) checkDevices(context.Context) (finding, error) {
	devices := o.Profile.Requirements.Devices
	if len(devices) == 0 {
		return passed("the profile has none"), nil
	}
	var found problems
	number := 0
	for _, device := range devices {
		path := string(device.Path)
		matches, err := filepath.Glob(o.Machine.path(path))
		if err != nil {
			return finding{}, fmt.Errorf("device %s: %w", path, err)
		}
		if len(matches) == 0 {
			found.add(path+" is missing", "install the hardware and its driver; 'ls -l "+path+"' must show it")
		}
		for _, match := range matches {
			info, err := os.Stat(match)
			if err != nil {
				return finding{}, err
			}
			if info.Mode()&fs.ModeDevice == 0 {
				found.add(path+" is no device", "remove the file, and load the driver that makes the device")
				continue
			}
			number++
		}
	}
	return found.finding(passed("%s", count(number, "device", "devices"))), nil
}

package preflight

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
)

// mounts lists what is mounted on the machine.
func (m *Machine) mounts() ([]*mountinfo.Info, error) {
	file, err := os.Open(m.path("/proc/self/mountinfo"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	mounts, err := mountinfo.GetMountsFromReader(file, nil)
	if err != nil {
		return nil, fmt.Errorf("/proc/self/mountinfo: %w", err)
	}
	return mounts, nil
}

// mountOf is the mount that an existing path is on: the one with the longest
// mount point, and of several there the last, which hides the others.
func (m *Machine) mountOf(path string) (*mountinfo.Info, error) {
	mounts, err := m.mounts()
	if err != nil {
		return nil, err
	}
	var best *mountinfo.Info
	for _, mount := range mounts {
		if below(path, mount.Mountpoint) && (best == nil || len(mount.Mountpoint) >= len(best.Mountpoint)) {
			best = mount
		}
	}
	if best == nil {
		return nil, fmt.Errorf("no file system is mounted for %s", path)
	}
	return best, nil
}

func below(path, dir string) bool {
	return dir == "/" || path == dir || strings.HasPrefix(path, dir+"/")
}

// hasOption tells whether a mount has an option such as noexec.
func hasOption(mount *mountinfo.Info, option string) bool {
	return slices.Contains(strings.Split(mount.Options, ","), option)
}

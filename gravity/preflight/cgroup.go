package preflight

import (
	"context"
	"slices"
	"strings"
)

const cgroupRoot = "/sys/fs/cgroup"

// controllers are what the kubelet limits pods with.
var controllers = []string{"cpu", "cpuset", "memory", "pids"}

// cgroupState is how control groups are mounted.
type cgroupState struct {
	unified     bool
	controllers []string
	readOnly    []string // mount points
}

func (m *Machine) cgroups() (cgroupState, error) {
	mounts, err := m.mounts()
	if err != nil {
		return cgroupState{}, err
	}
	var state cgroupState
	for _, mount := range mounts {
		switch {
		case mount.FSType == "cgroup2" && mount.Mountpoint == cgroupRoot:
			state.unified = true
			content, err := m.read(cgroupRoot + "/cgroup.controllers")
			if err != nil {
				return state, err
			}
			state.controllers = append(state.controllers, strings.Fields(content)...)
		case mount.FSType == "cgroup":
			state.controllers = append(state.controllers, strings.Split(mount.VFSOptions, ",")...)
		default:
			continue
		}
		if hasOption(mount, "ro") {
			state.readOnly = append(state.readOnly, mount.Mountpoint)
		}
	}
	return state, nil
}

func (o *Options) checkCgroupVersion(context.Context) (finding, error) {
	state, err := o.Machine.cgroups()
	if err != nil {
		return finding{}, err
	}
	if state.unified {
		return passed("2").want("2"), nil
	}
	return passed("1").want("2").unless(false,
		"boot with systemd.unified_cgroup_hierarchy=1; Kubernetes develops for version 2 only"), nil
}

func (o *Options) checkControllers(context.Context) (finding, error) {
	state, err := o.Machine.cgroups()
	if err != nil {
		return finding{}, err
	}
	var missing []string
	for _, controller := range controllers {
		if !slices.Contains(state.controllers, controller) {
			missing = append(missing, controller)
		}
	}
	wanted := strings.Join(controllers, ", ")
	if len(missing) == 0 {
		return passed("%s", wanted).want("%s", wanted), nil
	}
	return passed("not there: %s", strings.Join(missing, ", ")).want("%s", wanted).
		unless(false, "boot with cgroup_enable=%s, and without cgroup_disable=", strings.Join(missing, ",")), nil
}

func (o *Options) checkCgroupMounts(context.Context) (finding, error) {
	state, err := o.Machine.cgroups()
	if err != nil {
		return finding{}, err
	}
	if !state.unified && len(state.controllers) == 0 {
		return passed("no cgroups are mounted").want("mounted, for reading and writing").
			unless(false, "boot with systemd, which mounts them at %s", cgroupRoot), nil
	}
	if len(state.readOnly) > 0 {
		list := strings.Join(state.readOnly, ", ")
		return passed("read-only: %s", list).want("mounted, for reading and writing").
			unless(false, "mount -o remount,rw %s", state.readOnly[0]), nil
	}
	return passed("mounted, for reading and writing").want("mounted, for reading and writing"), nil
}

package preflight

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
)

// What a node needs where the profile does not say: kubeadm refuses control
// planes with less.
const (
	defaultCPUs   = 2
	defaultMemory = 1_700_000_000
)

func (o *Options) checkCPU(context.Context) (finding, error) {
	proc, err := o.Machine.proc()
	if err != nil {
		return finding{}, err
	}
	processors, err := proc.CPUInfo()
	if err != nil {
		return finding{}, fmt.Errorf("/proc/cpuinfo: %w", err)
	}
	wanted := o.Profile.Requirements.CPU
	if wanted.Min == 0 {
		wanted.Min = 1
		if o.maybeMaster() {
			wanted.Min = defaultCPUs
		}
	}
	got := len(processors)
	found := passed("%s", count(got, "processor", "processors"))
	if wanted.Max > 0 {
		found = found.want("%d to %d", wanted.Min, wanted.Max)
	} else {
		found = found.want("at least %d", wanted.Min)
	}
	return found.unless(got >= wanted.Min && (wanted.Max == 0 || got <= wanted.Max),
		"give the machine as many processors as that"), nil
}

// maybeMaster tells whether the node may get a control plane: a role that the
// profile leaves open does.
func (o *Options) maybeMaster() bool { return o.Profile.ServiceRole != manifest.RoleNode }

// memoryTolerance is the part of the memory that may be missing from what is
// required, in percent. The kernel counts what it left over when it booted:
// firmware, its own code and a crash kernel take up to that much, so a machine
// of 2 GB has less than 2 GB.
const memoryTolerance = 10

func (o *Options) checkMemory(context.Context) (finding, error) {
	proc, err := o.Machine.proc()
	if err != nil {
		return finding{}, err
	}
	info, err := proc.Meminfo()
	if err != nil {
		return finding{}, fmt.Errorf("/proc/meminfo: %w", err)
	}
	if info.MemTotalBytes == nil {
		return finding{}, errors.New("/proc/meminfo has no MemTotal")
	}
	wanted := o.Profile.Requirements.RAM
	if wanted.Min == 0 && o.maybeMaster() {
		wanted.Min = defaultMemory
	}
	got := *info.MemTotalBytes
	found := passed("%s", size(got))
	switch {
	case wanted.Max > 0:
		found = found.want("%s to %s", capacity(wanted.Min), capacity(wanted.Max))
	case wanted.Min > 0:
		found = found.want("at least %s, less %d%% that the kernel may keep", capacity(wanted.Min), memoryTolerance)
	}
	// Divided first, so that no size overflows.
	enough := got >= uint64(wanted.Min)/100*(100-memoryTolerance)
	return found.unless(enough && (wanted.Max == 0 || got <= uint64(wanted.Max)), "give the machine as much memory as that"), nil
}

func (o *Options) checkSwap(context.Context) (finding, error) {
	content, err := o.Machine.lookFor("/proc/swaps")
	if err != nil {
		return finding{}, err
	}
	var used []string
	for i, line := range strings.Split(content, "\n") {
		if fields := strings.Fields(line); i > 0 && len(fields) > 0 {
			used = append(used, fields[0])
		}
	}
	if len(used) == 0 {
		return passed("off").want("off"), nil
	}
	return passed("on: %s", strings.Join(used, ", ")).want("off").
		unless(false, "swapoff --all, and remove swap from /etc/fstab; the kubelet counts on limits of memory"), nil
}

package preflight

import (
	"context"
)

// Space is what the disk of the state directory must hold. Sizes are bytes.
type Space struct {
	// Bundle is the size of all blobs of the bundle; zero means that there is
	// none.
	Bundle int64
	// Previous is what the installed runtime takes, which an upgrade keeps until
	// it is complete; zero for an installation.
	Previous int64
}

const (
	// copies is how often the bytes of a bundle are on the disk: in the store of
	// packages, in containerd's store, and unpacked, which is about three times
	// the size that they have compressed.
	copies = 1 + 1 + 3
	// growth is what grows with use: etcd's database may have 2 GiB and is
	// written once more when it is compacted, and logs are rotated at 1 GiB.
	growth = 2<<30 + 2<<30 + 1<<30
	// reserve is the part of a file system that must stay free, in percent: with
	// less the kubelet warns and then evicts pods (S109).
	reserve = 10
)

// Needed is how many bytes must be available on a file system of a size: copies
// of the bundle, what is there of the previous runtime, growth, and the reserve.
func (s Space) Needed(fileSystem uint64) uint64 {
	own := uint64(max(s.Bundle, 0))*copies + uint64(max(s.Previous, 0))
	return own + growth + fileSystem/100*reserve
}

func (o *Options) checkSpace(context.Context) (finding, error) {
	dir, err := o.Machine.existing(o.StateDir)
	if err != nil {
		return finding{}, err
	}
	state, err := o.Machine.Statfs(o.Machine.path(dir))
	if err != nil {
		return finding{}, err
	}
	needed := o.Space.Needed(state.Size)
	return passed("%s of %s available for %s", size(state.Available), size(state.Size), o.StateDir).
		want("at least %s, %d%% of the disk among them that must stay free", size(needed), reserve).
		unless(state.Available >= needed, "free %s, or mount a larger disk at %s",
			size(needed-min(needed, state.Available)), o.StateDir), nil
}

// minInodes is how many files images and pods make at least, and inodeReserve
// the part of all inodes that must stay free, in percent (S109).
const (
	minInodes    = 100_000
	inodeReserve = 10
)

func (o *Options) checkInodes(context.Context) (finding, error) {
	dir, err := o.Machine.existing(o.StateDir)
	if err != nil {
		return finding{}, err
	}
	state, err := o.Machine.Statfs(o.Machine.path(dir))
	if err != nil {
		return finding{}, err
	}
	if state.Inodes == 0 {
		return passed("the file system has as many as there is space for"), nil
	}
	needed := minInodes + state.Inodes/100*inodeReserve
	return passed("%d of %d free", state.FreeInodes, state.Inodes).want("at least %d", needed).
		unless(state.FreeInodes >= needed, "remove files, or make a file system with more inodes at %s", o.StateDir), nil
}

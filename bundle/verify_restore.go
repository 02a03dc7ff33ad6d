package bundle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// restoreAll restores every layer that is stored as a delta, and checks that packed
// runtimes are complete. It goes from one to the next, since each takes the memory
// of a window. What follows from a problem that is known is not told again.
func (v *verification) restoreAll(ctx context.Context) error {
	known, err := v.bundle.deltas()
	if err != nil {
		if len(v.bad) == 0 {
			v.add(NameIndex, err)
		}
		return nil
	}
	for _, one := range known.sorted() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if v.spoiled(known, one) {
			continue
		}
		err := v.restore(ctx, one)
		if _, ok := errors.AsType[*MissingBaseError](err); ok {
			v.report.Unchecked = true
		} else if err != nil {
			v.add(blobName(one.Blob.Digest.Hex), err)
		}
	}
	if err := v.readBases(ctx); err != nil {
		return err
	}
	if len(v.bad) > 0 {
		return nil
	}
	for _, listed := range v.bundle.index.Runtimes {
		if listed.Packed != nil {
			v.complete(ctx, listed, known)
		}
	}
	return nil
}

// sorted lists deltas by what they restore.
func (d deltas) sorted() []Delta {
	listed := make([]Delta, 0, len(d))
	for _, one := range d {
		listed = append(listed, one)
	}
	slices.SortFunc(listed, func(a, b Delta) int { return cmp.Compare(a.Restores.Digest.Hex, b.Restores.Digest.Hex) })
	return listed
}

// spoiled tells whether something has a problem that a layer is restored from.
func (v *verification) spoiled(known deltas, one Delta) bool {
	for ok := true; ok; one, ok = known[one.Base.Digest] {
		if v.bad[blobName(one.Blob.Digest.Hex)] || v.bad[blobName(one.Base.Digest.Hex)] {
			return true
		}
	}
	return false
}

func (v *verification) restore(ctx context.Context, one Delta) error {
	layer, err := v.bundle.restore(ctx, one)
	if err != nil {
		return err
	}
	defer layer.Close()
	buffer := make([]byte, bufferSize)
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := layer.Read(buffer)
		v.report.Restored += int64(n)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// complete checks that all that a packed runtime's index leads to is in the bundle,
// or restored.
func (v *verification) complete(ctx context.Context, listed Runtime, known deltas) {
	owner := "runtime " + listed.Version
	found, err := walk(ctx, v.bundle, []root{{owner: owner, descriptor: listed.Descriptor}}, nil)
	if err != nil {
		v.add(blobName(listed.Packed.Digest.Hex), err)
		return
	}
	for digest, node := range found.nodes {
		size, ok := v.bundle.sizes[digest]
		if node := v.graph.nodes[digest]; !ok && node != nil && node.absent {
			size, ok = node.size, true
		}
		if !ok {
			var one Delta
			one, ok = known[digest]
			size = one.Restores.Size
		}
		switch {
		case !ok:
			err = errors.New("is missing")
		case size != node.size:
			err = fmt.Errorf("has %d bytes instead of %d", size, node.size)
		default:
			continue
		}
		v.add(blobName(listed.Packed.Digest.Hex), fmt.Errorf("%s: blob %s %w", owner, digest, err))
	}
}

// Deltas lists the layers that are stored as deltas, by the digests of what they
// restore.
func (b *Bundle) Deltas() (map[v1.Hash]Delta, error) {
	known, err := b.deltas()
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	return known, nil
}

// markLacking finds what only bases have. All that they are listed with must be
// needed: as a layer, or to restore one. Nobody can tell if something is damaged
// that tells what is needed.
func (v *verification) markLacking(damaged []Problem) {
	if v.bundle.index.Bases == nil {
		return
	}
	lacking, err := v.bundle.needed()
	if err != nil {
		if len(damaged) == 0 {
			v.add(blobName(v.bundle.index.Bases.Digest.Hex), err)
		}
		return
	}
	known, err := v.bundle.deltas()
	if err != nil {
		return // restoreAll tells it
	}
	outside := known.outside(v.graph)
	for digest, blob := range lacking {
		node := v.graph.nodes[digest]
		v.report.Lacking++
		v.report.LackingBytes += blob.size
		switch {
		case node != nil && !node.small && node.size == blob.size:
			node.absent = true
		case node == nil && (outside[digest] || len(damaged) > 0):
		default:
			v.add(blobName(v.bundle.index.Bases.Digest.Hex), fmt.Errorf("lists blob %s of base %s, which nothing needs so", digest, blob.base))
		}
	}
}

// readBases checks what the bundle lacks, where its bases are at hand.
func (v *verification) readBases(ctx context.Context) error {
	lacking, err := v.bundle.needed()
	if err != nil {
		return nil //nolint:nilerr // markLacking told it
	}
	for _, digest := range sortedHashes(lacking) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err := v.readBase(ctx, digest, lacking[digest].size)
		if _, ok := errors.AsType[*MissingBaseError](err); ok && v.bundle.source == nil {
			v.report.Unchecked = true
			return nil
		}
		if err != nil {
			v.add(blobName(digest.Hex), err)
		}
	}
	return nil
}

func (v *verification) readBase(ctx context.Context, digest v1.Hash, size int64) error {
	blob, err := v.bundle.Open(ctx, digest)
	if err != nil {
		return err
	}
	defer blob.Close()
	n, err := io.Copy(io.Discard, blob)
	if err == nil && n != size {
		err = fmt.Errorf("has %d bytes instead of %d", n, size)
	}
	return err
}

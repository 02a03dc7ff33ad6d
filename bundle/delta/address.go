package delta

import (
	"cmp"
	"slices"
	"sort"
)

// addresses tells where in the target is what lies at a place of the base: by the
// pieces, and by what was learned of references that they did not tell.
type addresses struct {
	// pieces are sorted by base and do not overlap there.
	pieces []piece
	last   int
	// learned has places of the base with those of the target that the last
	// reference to them had.
	learned [1 << learnedBits]struct{ base, target int64 }
}

const learnedBits = 16

// newAddresses takes the pieces of all segments. Where several copy the same part
// of the base, the longer one is right more often.
func newAddresses(all []segment) *addresses {
	var pieces []piece
	for _, one := range all {
		for _, p := range one.pieces {
			// What a segment's end has cut is one piece.
			if n := len(pieces); n > 0 && joins(pieces[n-1], p) {
				pieces[n-1].length += p.length
				continue
			}
			pieces = append(pieces, p)
		}
	}
	slices.SortFunc(pieces, func(a, b piece) int {
		return cmp.Or(cmp.Compare(a.base, b.base), cmp.Compare(b.length, a.length), cmp.Compare(a.target, b.target))
	})
	kept := pieces[:0]
	for _, p := range pieces {
		for len(kept) > 0 && p.length > 0 {
			before := &kept[len(kept)-1]
			overlap := before.base + before.length - p.base
			if overlap <= 0 {
				break
			}
			if p.length <= before.length {
				overlap = min(overlap, p.length)
				p = piece{p.target + overlap, p.base + overlap, p.length - overlap}
				break
			}
			before.length -= overlap
			if before.length > 0 {
				break
			}
			kept = kept[:len(kept)-1]
		}
		if p.length > 0 {
			kept = append(kept, p)
		}
	}
	return &addresses{pieces: kept}
}

func joins(before, p piece) bool {
	return before.target+before.length == p.target && before.base+before.length == p.base
}

func slot(place int64) uint64 {
	return uint64(place) * 0x9e3779b185ebca87 >> (64 - learnedBits) //nolint:gosec // a hash
}

// of returns the place in the target for a place in the base.
func (a *addresses) of(place int64) int64 {
	if known := &a.learned[slot(place)]; known.base == place {
		return known.target
	}
	if len(a.pieces) == 0 {
		return place
	}
	if p := a.pieces[a.last]; place < p.base || place >= p.base+p.length {
		i := sort.Search(len(a.pieces), func(i int) bool { return a.pieces[i].base > place })
		a.last = max(0, i-1)
	}
	return place - a.pieces[a.last].base + a.pieces[a.last].target
}

// learn notes where a place of the base was found in the target.
func (a *addresses) learn(place, is int64) {
	a.learned[slot(place)] = struct{ base, target int64 }{place, is}
}

package delta

import (
	"context"
	"encoding/binary"
	"io"
)

const (
	// keySize is how many equal bytes begin a piece that lies elsewhere than the
	// last one; minLength how many a piece needs at least.
	keySize, minLength = 32, 24
	// step is the distance of the places of the base that are found again.
	step = 8
	// enough is a length that needs no better place.
	enough = 64
	// compared is how far two places are compared to see which is better.
	compared = 4096
	// patience is how many more bytes may differ than agree before a piece ends.
	patience = 64

	bucketBits, bucketSize = 20, 4
)

// matcher finds what of a target a base has.
type matcher struct {
	base, target         io.ReaderAt
	baseSize, targetSize int64
	baseCode, targetCode []span

	// window is the part of the base that is in old, with operands masked.
	window span
	old    []byte
	// part is the part of the target that is in wanted, likewise.
	part   span
	wanted []byte
	// table has places of the base, plus one, by the hash of what begins there.
	table   [][bucketSize]uint32
	indexed int64
	// drift is how much further in the base than in the target the last piece lay.
	drift int64
}

// match returns the pieces of every segment.
func (m *matcher) match(ctx context.Context) ([]segment, error) {
	m.old = make([]byte, 0, windowSize)
	m.wanted = make([]byte, segmentSize)
	m.table = make([][bucketSize]uint32, 1<<bucketBits)
	all := make([]segment, segments(m.targetSize))
	copies := 0
	for i := range all {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err := m.load(part(m.targetSize, i)); err != nil {
			return nil, err
		}
		all[i] = segment{window: m.window, pieces: m.find()}
		if copies += len(all[i].pieces); copies > maxCopies {
			return nil, ErrTooDifferent
		}
	}
	return all, nil
}

// load reads a part of the target, and moves the window of the base to where it
// will be found.
func (m *matcher) load(at span) error {
	m.part = at
	m.wanted = m.wanted[:at.end-at.start]
	if _, err := m.target.ReadAt(m.wanted, at.start); err != nil && err != io.EOF {
		return err
	}
	maskRanges(m.wanted, at.start, m.targetSize, m.targetCode)
	const ahead = windowSize * 5 / 8
	end := min(max(at.start+m.drift+ahead, m.window.end), m.baseSize)
	start := min(max(end-windowSize, m.window.start), m.baseSize)
	kept := m.old[:0]
	if start < m.window.end {
		kept = m.old[:copy(m.old, m.old[start-m.window.start:])]
	}
	from := start + int64(len(kept))
	m.old = kept[:end-start]
	added := m.old[len(kept):]
	if _, err := m.base.ReadAt(added, from); err != nil && err != io.EOF {
		return err
	}
	maskRanges(added, from, m.baseSize, m.baseCode)
	m.window = span{start, end}
	m.index()
	return nil
}

// index enters what is new in the window into the table.
func (m *matcher) index() {
	m.indexed = max(m.indexed, m.window.start)
	for ; m.indexed+keySize <= m.window.end; m.indexed += step {
		bucket := &m.table[hash(m.old[m.indexed-m.window.start:])]
		for i := range bucket {
			if int64(bucket[i]) <= m.window.start {
				bucket[i] = uint32(m.indexed + 1) //nolint:gosec // MaxSize is less
				break
			}
		}
	}
}

func hash(key []byte) uint64 {
	var x uint64
	for i := 0; i < keySize; i += 8 {
		x = (x ^ x>>29 ^ binary.LittleEndian.Uint64(key[i:])) * 0x9e3779b185ebca87
	}
	return (x ^ x>>31) * 0xc2b2ae3d27d4eb4f >> (64 - bucketBits)
}

// find returns the pieces of the part.
func (m *matcher) find() (pieces []piece) {
	done := 0
	for n := 0; n+minLength <= len(m.wanted); {
		place, length := m.best(n)
		if length < minLength {
			n++
			continue
		}
		back := m.backwards(place, n, done)
		forth := m.forwards(place, n)
		found := piece{
			target: m.part.start + int64(n-back), base: m.window.start + int64(place-back), length: int64(back + forth),
		}
		if last := len(pieces) - 1; last >= 0 && joins(pieces[last], found) {
			pieces[last].length += found.length
		} else {
			pieces = append(pieces, found)
		}
		n += forth
		done = n
		m.drift = found.base - found.target
	}
	return pieces
}

// best returns the place in the window where most of what begins at n is found.
func (m *matcher) best(n int) (place, length int) {
	place = n + int(m.part.start+m.drift-m.window.start)
	length = m.common(place, n)
	if length >= enough || n+keySize > len(m.wanted) {
		return place, length
	}
	for _, entry := range m.table[hash(m.wanted[n:])] {
		other := int(int64(entry) - 1 - m.window.start)
		if found := m.common(other, n); found > length {
			place, length = other, found
		}
	}
	return place, length
}

// common counts the bytes that two places have in common.
func (m *matcher) common(place, n int) int {
	if place < 0 || place >= len(m.old) {
		return 0
	}
	limit := min(compared, len(m.old)-place, len(m.wanted)-n)
	i := 0
	for i < limit && m.old[place+i] == m.wanted[n+i] {
		i++
	}
	return i
}

// forwards returns how long the piece at a place should be: up to where most bytes
// agree.
func (m *matcher) forwards(place, n int) (length int) {
	score, best := 0, 0
	for i := 0; place+i < len(m.old) && n+i < len(m.wanted) && score >= best-patience; i++ {
		if m.old[place+i] == m.wanted[n+i] {
			score++
		} else {
			score--
		}
		if score >= best {
			best, length = score, i+1
		}
	}
	return length
}

// backwards returns how much earlier the piece at a place should begin, but not
// before done.
func (m *matcher) backwards(place, n, done int) (length int) {
	score, best := 0, 0
	for i := 1; place-i >= 0 && n-i >= done && score >= best-patience; i++ {
		if m.old[place-i] == m.wanted[n-i] {
			score++
		} else {
			score--
		}
		if score > best {
			best, length = score, i
		}
	}
	return length
}

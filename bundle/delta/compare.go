package delta

import "encoding/binary"

// mover goes over a copied piece and says what each byte would be if the base were
// moved to the target. Making and reading go the same way, step by step.
type mover struct {
	code      []span
	size      int64 // of the base
	addresses *addresses
}

// walk calls plain for bytes that are copied as they are, and field for each
// operand with what it should be. base has the piece's bytes; the calls are in
// order and cover all of it. field returns what the operand is in the target.
func (m *mover) walk(p piece, base []byte, plain func(from, to int), field func(at int, want uint32) uint32) {
	done := 0
	for _, code := range m.code {
		start, end := max(code.start-p.base, 0), min(code.end-p.base, p.length)
		if start >= end {
			continue
		}
		for i := int(start); i < int(end); {
			at := operand(base[i:end])
			if at == 0 {
				i++
				continue
			}
			f := i + at
			to, ok := target(base[f:], p.base+int64(f), m.size)
			if !ok {
				i++
				continue
			}
			plain(done, f)
			behind := p.target + int64(f) + operandSize
			want := uint32(m.addresses.of(to) - behind) //nolint:gosec // two's complement is meant
			if is := field(f, want); is != want {
				m.addresses.learn(to, behind+int64(int32(is))) //nolint:gosec // likewise
			}
			i = f + operandSize
			done = i
		}
	}
	plain(done, int(p.length))
}

// subtract writes by how much the target differs from the moved base.
func (m *mover) subtract(p piece, base, is, difference []byte) {
	m.walk(p, base, func(from, to int) {
		for i := from; i < to; i++ {
			difference[i] = is[i] - base[i]
		}
	}, func(at int, want uint32) uint32 {
		found := binary.LittleEndian.Uint32(is[at:])
		binary.LittleEndian.PutUint32(difference[at:], found-want)
		return found
	})
}

// add is the reverse: difference becomes the target.
func (m *mover) add(p piece, base, difference []byte) {
	m.walk(p, base, func(from, to int) {
		for i := from; i < to; i++ {
			difference[i] += base[i]
		}
	}, func(at int, want uint32) uint32 {
		found := binary.LittleEndian.Uint32(difference[at:]) + want
		binary.LittleEndian.PutUint32(difference[at:], found)
		return found
	})
}

package delta

import "encoding/binary"

// plan is what a delta begins with: all that must be known before the first
// segment is made.
type plan struct {
	baseSize, targetSize int64
	// code are the ranges of the base that have amd64 code.
	code     []span
	segments []segment
}

// write writes the plan as four parts: numbers that are alike lie together.
func (p *plan) write(to *frameWriter) error {
	shape := binary.AppendUvarint(nil, uint64(p.baseSize))    //nolint:gosec // sizes are positive
	shape = binary.AppendUvarint(shape, uint64(p.targetSize)) //nolint:gosec // likewise
	shape = binary.AppendUvarint(shape, uint64(len(p.code)))
	last := int64(0)
	for _, one := range p.code {
		shape = binary.AppendUvarint(shape, uint64(one.start-last))    //nolint:gosec // they are sorted
		shape = binary.AppendUvarint(shape, uint64(one.end-one.start)) //nolint:gosec // likewise
		last = one.end
	}
	var skips, lengths, seeks []byte
	var window span
	var base int64
	for i, one := range p.segments {
		shape = binary.AppendUvarint(shape, uint64(one.window.start-window.start)) //nolint:gosec // windows move forward
		shape = binary.AppendUvarint(shape, uint64(one.window.end-window.end))     //nolint:gosec // likewise
		shape = binary.AppendUvarint(shape, uint64(len(one.pieces)))
		window = one.window
		done := part(p.targetSize, i).start
		for _, piece := range one.pieces {
			skips = binary.AppendUvarint(skips, uint64(piece.target-done)) //nolint:gosec // they are sorted
			lengths = binary.AppendUvarint(lengths, uint64(piece.length))  //nolint:gosec // likewise
			seeks = binary.AppendVarint(seeks, piece.base-base)
			done, base = piece.target+piece.length, piece.base+piece.length
		}
	}
	for _, content := range [][]byte{shape, skips, lengths, seeks} {
		if err := to.write(content); err != nil {
			return err
		}
	}
	return nil
}

// readPlan reads a plan and checks it: windows move forward within the base and
// are not too large, pieces lie in their segment and window and do not overlap.
func readPlan(from *frameReader) (*plan, error) {
	content, err := from.read(nil, 1<<20)
	if err != nil {
		return nil, err
	}
	shape := &numbers{rest: content}
	p := &plan{baseSize: shape.next(MaxSize), targetSize: shape.next(MaxSize)}
	last := int64(0)
	for range shape.next(maxRanges) {
		start := last + shape.next(MaxSize)
		last = start + shape.next(MaxSize)
		if last > p.baseSize {
			return nil, malformed("code lies outside of the base")
		}
		p.code = append(p.code, span{start, last})
	}
	counts, err := p.readWindows(shape)
	if err != nil {
		return nil, err
	}
	var columns [3]*numbers
	for i := range columns {
		if content, err = from.read(nil, maxFrame); err != nil {
			return nil, err
		}
		columns[i] = &numbers{rest: content}
	}
	var base int64
	for i := range p.segments {
		if base, err = p.readPieces(i, counts[i], base, columns); err != nil {
			return nil, err
		}
	}
	for _, column := range columns {
		if err := column.end("the list of copies"); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// readWindows returns how many pieces each segment has.
func (p *plan) readWindows(shape *numbers) (counts []int64, err error) {
	p.segments = make([]segment, segments(p.targetSize))
	counts = make([]int64, len(p.segments))
	var window span
	var total int64
	for i := range p.segments {
		window.start += shape.next(MaxSize)
		window.end += shape.next(MaxSize)
		if window.start > window.end || window.end > p.baseSize || window.end-window.start > windowSize {
			return nil, malformed("window %d to %d", window.start, window.end)
		}
		p.segments[i].window = window
		counts[i] = shape.next(maxCopies)
		if total += counts[i]; total > maxCopies {
			return nil, malformed("more than %d copies", maxCopies)
		}
	}
	return counts, shape.end("the header")
}

// readPieces reads the pieces of a segment, and returns where the last one ends in
// the base.
func (p *plan) readPieces(number int, count, base int64, columns [3]*numbers) (int64, error) {
	within, window := part(p.targetSize, number), p.segments[number].window
	done := within.start
	for range count {
		one := piece{target: done + columns[0].next(segmentSize), length: columns[1].next(segmentSize)}
		one.base = base + columns[2].signed(MaxSize)
		if columns[0].bad || columns[1].bad || columns[2].bad || one.length == 0 || one.target+one.length > within.end ||
			one.base < window.start || one.base+one.length > window.end {
			return 0, malformed("a copy of %d bytes from %d to %d", one.length, one.base, one.target)
		}
		p.segments[number].pieces = append(p.segments[number].pieces, one)
		done, base = one.target+one.length, one.base+one.length
	}
	return base, nil
}

package delta

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
)

// Reader makes the target of a base and a delta, as a stream. It needs the memory
// of a window and a segment: less than 100 MB, whatever the sizes are. What it
// makes is to be compared with the digest of the target: a base that is another one
// gives another target. It is for one goroutine.
type Reader struct {
	frames *frameReader
	plan   *plan
	mover  mover
	window window
	next   int
	// ready is what of the segment was not read yet; the others are its memory.
	ready, segment, bytes, gaps, values []byte
	err                                 error
}

// NewReader reads the head of a delta. Both are read from start to end; of the
// base, no more than is needed. The caller closes the Reader, and then what it gave.
// An error is ErrMalformed, or one of the readers'.
func NewReader(delta, base io.Reader) (*Reader, error) {
	from := bufio.NewReaderSize(delta, 64<<10)
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(from, head); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if !bytes.Equal(head, []byte(magic)) {
		return nil, malformed("it does not begin as one")
	}
	frames, err := newFrameReader(from)
	if err != nil {
		return nil, err
	}
	p, err := readPlan(frames)
	if err != nil {
		frames.close()
		return nil, err
	}
	r := &Reader{frames: frames, plan: p}
	r.mover = mover{code: p.code, size: p.baseSize, addresses: newAddresses(p.segments)}
	r.window.from = base
	return r, nil
}

// BaseSize is the length that the base has, in bytes.
func (r *Reader) BaseSize() int64 { return r.plan.baseSize }

// Size is the length of the target in bytes.
func (r *Reader) Size() int64 { return r.plan.targetSize }

// Close releases memory.
func (r *Reader) Close() error {
	r.frames.close()
	return nil
}

// Read reads the next bytes of the target.
func (r *Reader) Read(p []byte) (int, error) {
	for len(r.ready) == 0 {
		if r.err == nil {
			r.err = r.advance()
		}
		if r.err != nil {
			return 0, r.err
		}
	}
	n := copy(p, r.ready)
	r.ready = r.ready[n:]
	return n, nil
}

// advance makes the next segment.
func (r *Reader) advance() error {
	if r.next == len(r.plan.segments) {
		if _, err := r.frames.from.ReadByte(); err == nil {
			return malformed("something follows its end")
		} else if err != io.EOF {
			return err
		}
		return io.EOF
	}
	at, one := part(r.plan.targetSize, r.next), r.plan.segments[r.next]
	if err := r.window.move(one.window); err != nil {
		return err
	}
	if err := r.readParts(at, one); err != nil {
		return err
	}
	r.next++
	r.segment = sized(r.segment, at.end-at.start)
	changes := changes{gaps: numbers{rest: r.gaps}, values: r.values}
	changes.advance()
	rest := r.bytes
	done := at.start
	for _, p := range one.pieces {
		skip := p.target - done
		copy(r.segment[done-at.start:], rest[:skip])
		rest = rest[skip:]
		done = p.target + p.length
		made := r.segment[p.target-at.start : done-at.start]
		changes.fill(made)
		r.mover.add(p, r.window.bytes(p), made)
	}
	copy(r.segment[done-at.start:], rest)
	if changes.gaps.bad || !changes.ended {
		return malformed("the list of changes")
	}
	r.ready = r.segment
	return nil
}

// readParts reads what a segment is made of. The lengths follow from the pieces, or
// are limited by them.
func (r *Reader) readParts(at span, one segment) (err error) {
	var copied int64
	for _, p := range one.pieces {
		copied += p.length
	}
	if r.bytes, err = r.frames.read(r.bytes, at.end-at.start-copied); err != nil {
		return err
	}
	if int64(len(r.bytes)) != at.end-at.start-copied {
		return malformed("a segment has %d bytes instead of %d", len(r.bytes), at.end-at.start-copied)
	}
	// No gap has more digits than bytes that it skips.
	if r.gaps, err = r.frames.read(r.gaps, copied); err != nil {
		return err
	}
	r.values, err = r.frames.read(r.values, copied)
	return err
}

// changes are the bytes of copies that differ: how many do not before each, and by
// what it does.
type changes struct {
	gaps   numbers
	values []byte
	// gap is how many bytes are equal before the next change.
	gap   int64
	ended bool
}

func (c *changes) advance() {
	if len(c.gaps.rest) == 0 || len(c.values) == 0 {
		c.ended = len(c.gaps.rest) == 0 && len(c.values) == 0
		c.gap = 1 << 62
		return
	}
	c.gap = c.gaps.next(segmentSize)
}

// fill writes the differences of the next bytes.
func (c *changes) fill(difference []byte) {
	clear(difference)
	for {
		if c.gap >= int64(len(difference)) {
			c.gap -= int64(len(difference))
			return
		}
		difference[c.gap] = c.values[0]
		difference = difference[c.gap+1:]
		c.values = c.values[1:]
		c.advance()
	}
}

package delta

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
)

// File is a file to read at any place, of Size bytes.
type File struct {
	io.ReaderAt
	Size int64
}

// Make writes what it takes to make target of base. Equal inputs give equal bytes.
// It reads both twice, and needs about 150 MB of memory, whatever their sizes are.
// It returns ErrTooDifferent if there is no sense in it.
func Make(ctx context.Context, base, target File, to io.Writer) error {
	if err := write(ctx, base, target, to); err != nil {
		return fmt.Errorf("make a delta: %w", err)
	}
	return nil
}

func write(ctx context.Context, base, target File, to io.Writer) error {
	if base.Size > MaxSize || target.Size > MaxSize {
		return fmt.Errorf("%d and %d bytes, at most %d", base.Size, target.Size, int64(MaxSize))
	}
	p := &plan{baseSize: base.Size, targetSize: target.Size, code: findCode(base, base.Size)}
	var err error
	p.segments, err = (&matcher{
		base: base, baseSize: base.Size, baseCode: p.code,
		target: target, targetSize: target.Size, targetCode: findCode(target, target.Size),
	}).match(ctx)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(to, magic); err != nil {
		return err
	}
	frames, err := newFrameWriter(to)
	if err != nil {
		return err
	}
	if err := p.write(frames); err != nil {
		return err
	}
	m := &maker{frames: frames, mover: mover{code: p.code, size: p.baseSize, addresses: newAddresses(p.segments)}}
	m.window.from = io.NewSectionReader(base, 0, base.Size)
	for i, one := range p.segments {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := m.segment(part(target.Size, i), one, target); err != nil {
			return err
		}
	}
	return nil
}

// maker writes segments.
type maker struct {
	frames *frameWriter
	mover  mover
	window window
	// wanted is the part of the target; the others are parts of the delta.
	wanted, difference, bytes, gaps, values []byte
}

func (m *maker) segment(at span, one segment, target io.ReaderAt) error {
	if err := m.window.move(one.window); err != nil {
		return err
	}
	m.wanted = sized(m.wanted, at.end-at.start)
	if _, err := target.ReadAt(m.wanted, at.start); err != nil && err != io.EOF {
		return err
	}
	m.bytes, m.gaps, m.values = m.bytes[:0], m.gaps[:0], m.values[:0]
	done := at.start
	gap := uint64(0)
	for _, p := range one.pieces {
		m.bytes = append(m.bytes, m.wanted[done-at.start:p.target-at.start]...)
		done = p.target + p.length
		m.difference = sized(m.difference, p.length)
		m.mover.subtract(p, m.window.bytes(p), m.wanted[p.target-at.start:done-at.start], m.difference)
		for _, b := range m.difference {
			if b == 0 {
				gap++
				continue
			}
			m.gaps = binary.AppendUvarint(m.gaps, gap)
			m.values = append(m.values, b)
			gap = 0
		}
	}
	m.bytes = append(m.bytes, m.wanted[done-at.start:]...)
	for _, content := range [][]byte{m.bytes, m.gaps, m.values} {
		if err := m.frames.write(content); err != nil {
			return err
		}
	}
	return nil
}

// sized returns a slice of the given length, in the same memory if that is enough.
func sized(buffer []byte, length int64) []byte {
	if int64(cap(buffer)) < length {
		return make([]byte, length)
	}
	return buffer[:length]
}

// window is the part of the base that segments are made of. It moves forward over
// a stream.
type window struct {
	from    io.Reader
	at      span
	content []byte
}

// move reads on until the window is where it should be.
func (w *window) move(to span) error {
	kept := w.content[:0]
	if to.start < w.at.end {
		kept = w.content[:copy(w.content, w.content[to.start-w.at.start:])]
	} else if skip := to.start - w.at.end; skip > 0 {
		if _, err := io.CopyN(io.Discard, w.from, skip); err != nil {
			return fmt.Errorf("read the base: %w", unexpected(err))
		}
	}
	length := to.end - to.start
	if int64(cap(w.content)) < length {
		grown := make([]byte, length, min(windowSize, 2*length))
		copy(grown, kept)
		w.content = grown
	}
	w.content = w.content[:length]
	if _, err := io.ReadFull(w.from, w.content[len(kept):]); err != nil {
		return fmt.Errorf("read the base: %w", unexpected(err))
	}
	w.at = to
	return nil
}

// bytes are those that a piece is made of.
func (w *window) bytes(p piece) []byte {
	return w.content[p.base-w.at.start : p.base-w.at.start+p.length]
}

func unexpected(err error) error {
	if err == io.EOF { //nolint:errorlint // readers return it as it is
		return io.ErrUnexpectedEOF
	}
	return err
}

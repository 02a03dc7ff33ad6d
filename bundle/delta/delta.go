// Package delta stores a file as its difference to another: a layer of one
// Kubernetes release as what it takes to make it of the next release's.
//
// Programs of neighbouring releases are mostly the same functions at other
// addresses. So a delta is a list of copies from the base, which may differ in
// some bytes, and of bytes that the base does not have. Where the base has amd64
// code, the copies also tell which address became which, and calls and references
// are moved accordingly before they are compared: most of them then need nothing.
//
// A delta goes in segments of the target. Each is made of a window of the base
// that only moves forward, so a reader takes both as streams and needs the memory
// of one window and one segment, whatever the sizes are:
//
//	magic, header, copies          what begins where, for the whole target
//	segment …                      window; bytes; where copies differ, and by what
//
// All of it is compressed by zstd. A reader trusts nothing: lengths are limited
// before memory is taken, and whoever reads compares the digest of the result.
package delta

import (
	"errors"
	"fmt"
)

// Method names the way in which Make works. Equal inputs give equal bytes for one
// method, so it is part of the key under which deltas are kept.
const Method = "gravity-delta-1"

// MediaType is that of a delta as a blob.
const MediaType = "application/vnd.gravity.delta.v1"

// magic begins every delta.
const magic = "gravity delta 1\n"

const (
	// segmentSize is how much of the target is made at a time, in bytes.
	segmentSize = 8 << 20
	// windowSize is how much of the base a segment is made of, in bytes.
	windowSize = 32 << 20
	// MaxSize is the largest base and target, in bytes.
	MaxSize = 1 << 31
	// maxCopies bounds the list of copies, which is in memory as a whole.
	maxCopies = 1 << 20
	// maxRanges is how many ranges of code a base may have.
	maxRanges = 4096
	// maxFrame is the largest part of a delta before compression, in bytes.
	maxFrame = 32 << 20
)

// ErrMalformed tells that something is not a delta, or a damaged one.
var ErrMalformed = errors.New("malformed delta")

func malformed(format string, values ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, values...))
}

// span is a range of a file: from start to before end, in bytes.
type span struct{ start, end int64 }

// piece is a part of the target that is copied from the base: length bytes that
// lie at target, from base.
type piece struct{ target, base, length int64 }

// segment is what the pieces of a part of the target have in common.
type segment struct {
	// window is the part of the base that the pieces lie in.
	window span
	// pieces are sorted by target and do not overlap.
	pieces []piece
}

// segments returns how many segments a target has.
func segments(size int64) int { return int((size + segmentSize - 1) / segmentSize) }

// part returns where a segment of the target lies.
func part(size int64, number int) span {
	start := int64(number) * segmentSize
	return span{start, min(start+segmentSize, size)}
}

// ErrTooDifferent tells that two files have too little in common for a delta.
var ErrTooDifferent = errors.New("too different for a delta")

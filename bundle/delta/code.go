package delta

import (
	"archive/tar"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
)

// operandSize is the length of an address in an instruction, in bytes.
const operandSize = 4

// operand returns where the address of the amd64 instruction at the start of code
// lies, relative to it: of calls and jumps, and of instructions that address
// memory relative to themselves. It returns 0 if there seems to be none. Nothing
// depends on this being right, only the size of deltas; but what it says is part
// of the method.
func operand(code []byte) int {
	if len(code) < 2+operandSize {
		return 0
	}
	switch first := code[0]; {
	case first == 0xe8 || first == 0xe9: // call, jmp
		return 1
	case first == 0x0f && code[1]&0xf0 == 0x80: // jcc
		return 2
	case code[1]&0xc7 == 0x05 && addressing[first]: // ModRM without base: relative to RIP
		return 2
	}
	return 0
}

// addressing are the opcodes, or their last bytes, that compilers use with
// operands relative to RIP.
var addressing = func() (set [256]bool) {
	for _, opcode := range []byte{
		0x03, 0x10, 0x11, 0x28, 0x29, 0x2b, 0x2e, 0x38, 0x39, 0x3a, 0x3b, 0x54, 0x57, 0x58, 0x59, 0x5c, 0x5e,
		0x63, 0x6f, 0x7f, 0x80, 0x81, 0x83, 0x84, 0x85, 0x88, 0x89, 0x8a, 0x8b, 0x8d, 0xb1, 0xb6, 0xb7, 0xc1,
		0xc6, 0xc7, 0xff,
	} {
		set[opcode] = true
	}
	return set
}()

// beyond is how far behind the end of a file addresses may point: to memory that
// is zero when a program starts.
const beyond = 64 << 20

// target returns what an operand at the given place of a file refers to, as a
// place in that file, and whether that can be.
func target(field []byte, place, size int64) (int64, bool) {
	to := place + operandSize + int64(int32(binary.LittleEndian.Uint32(field))) //nolint:gosec // two's complement is meant
	return to, to > 0 && to < size+beyond
}

// mask clears the operands in code, so that functions at other addresses look the
// same. The first byte of code lies at place of a file of the given size.
func mask(code []byte, place, size int64) {
	for i := 0; i < len(code); {
		at := operand(code[i:])
		if at > 0 {
			if _, ok := target(code[i+at:], place+int64(i+at), size); ok {
				clear(code[i+at : i+at+operandSize])
				i += at + operandSize
				continue
			}
		}
		i++
	}
}

// maskRanges masks the parts of content, which lies at place, that are code.
func maskRanges(content []byte, place, size int64, code []span) {
	for _, one := range code {
		start, end := max(one.start, place), min(one.end, place+int64(len(content)))
		if start < end {
			mask(content[start-place:end-place], start, size)
		}
	}
}

// findCode returns the ranges of a layer that have amd64 code: of a tar, those of
// its programs. What is no tar has none.
func findCode(layer io.ReaderAt, size int64) []span {
	var found []span
	counted := &counter{Reader: io.NewSectionReader(layer, 0, size)}
	reader := tar.NewReader(counted)
	for len(found) < maxRanges {
		header, err := reader.Next()
		if err != nil {
			return found
		}
		if header.Typeflag != tar.TypeReg || header.Size < 4096 {
			continue
		}
		start := counted.place
		program, err := elf.NewFile(io.NewSectionReader(layer, start, header.Size))
		if err != nil || program.Machine != elf.EM_X86_64 {
			continue
		}
		for _, section := range program.Sections {
			if section.Type != elf.SHT_PROGBITS || section.Flags&elf.SHF_EXECINSTR == 0 || len(found) == maxRanges {
				continue
			}
			at := span{start + int64(section.Offset), start + int64(section.Offset+section.Size)} //nolint:gosec // checked below
			if at.start >= start && at.end > at.start && at.end <= start+header.Size && after(found, at) {
				found = append(found, at)
			}
		}
	}
	return found
}

// after tells whether a range lies behind all others.
func after(found []span, at span) bool {
	return len(found) == 0 || found[len(found)-1].end <= at.start
}

// counter knows how far a tar was read.
type counter struct {
	io.Reader
	place int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.place += int64(n)
	return n, err
}

// Seek lets a tar's contents be skipped.
func (c *counter) Seek(offset int64, whence int) (int64, error) {
	seeker, ok := c.Reader.(io.Seeker)
	if !ok {
		return 0, errors.ErrUnsupported
	}
	place, err := seeker.Seek(offset, whence)
	if err == nil {
		c.place = place
	}
	return place, err
}

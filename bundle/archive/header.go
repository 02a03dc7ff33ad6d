// Package archive is the tar of a bundle, byte by byte: entries that depend on
// nothing but their names, modes and contents, and large ones that begin at
// multiples of 4096 bytes, so that file systems can share them with other
// files. What it writes any tar reads; what it reads may have been written by
// another tar (ustar, GNU or pax), but nothing in it goes unchecked: a bit that
// changed in a header or in padding is an error.
package archive

import (
	"errors"
	"fmt"
	"strconv"
)

const (
	// BlockSize is the unit of tar files, in bytes.
	BlockSize = 512
	// Alignment is what the contents of aligned entries begin at a multiple of,
	// in bytes: the block size of the file systems that share blocks.
	Alignment = 4096
	// TrailerSize is the length of the end of an archive: two blocks of zeros.
	TrailerSize = 2 * BlockSize

	// modified is the time of every entry, as seconds: 1980-01-01, since some
	// tars complain about 1970.
	modified = 315532800
	// maxOctalSize is the first size that a ustar header cannot hold.
	maxOctalSize = 1 << 33
	// nameSize is how long a name in a ustar header may be.
	nameSize = 100
	// filler pads comments. Tars skip comments without a word.
	filler = ' '
)

// Type flags of the entries that bundles have.
const (
	typeFile      = '0'
	typeOldFile   = 0
	typeDirectory = '5'
	typePax       = 'x'
)

// Header describes an entry.
type Header struct {
	// Name is the path in the archive, with slashes; a directory's ends without
	// one.
	Name string
	// Mode has the permission bits.
	Mode uint32
	// Size is the length of the contents in bytes; zero for directories.
	Size int64
	// Directory tells a directory from a regular file.
	Directory bool
	// Aligned puts the contents at a multiple of Alignment.
	Aligned bool
}

// Encode returns the bytes that precede the contents of an entry whose header
// begins at an offset, which is a multiple of BlockSize. Equal arguments give
// equal bytes. Names longer than 99 bytes and negative sizes are errors, as are
// files of 8 GiB and more that are not aligned.
func Encode(header Header, offset int64) ([]byte, error) {
	name := header.Name
	if header.Directory {
		name += "/"
	}
	switch {
	case name == "" || len(name) >= nameSize:
		return nil, fmt.Errorf("entry %q: name of %d bytes", header.Name, len(name))
	case header.Size < 0 || header.Directory && header.Size != 0:
		return nil, fmt.Errorf("entry %s: size %d", header.Name, header.Size)
	case offset < 0 || offset%BlockSize != 0:
		return nil, fmt.Errorf("entry %s: header at byte %d, which is no multiple of %d", header.Name, offset, BlockSize)
	case !header.Aligned && header.Size >= maxOctalSize:
		return nil, fmt.Errorf("entry %s: %d bytes, not aligned", header.Name, header.Size)
	}
	kind := byte(typeFile)
	if header.Directory {
		kind = typeDirectory
	}
	main := block(name, header.Mode, header.Size, kind)
	if !header.Aligned {
		return main, nil
	}
	body := padding(header.Size, paddingSize(offset))
	encoded := block("PaxHeaders/"+lastElement(name), 0o644, int64(len(body)), typePax)
	encoded = append(encoded, body...)
	return append(encoded, main...), nil
}

// paddingSize is how long the pax records between the two headers of an
// aligned entry are: from one to eight blocks.
func paddingSize(offset int64) int64 {
	const blocks = Alignment / BlockSize
	behind := (offset/BlockSize + 2) % blocks
	return (blocks - behind) * BlockSize
}

// padding returns pax records of exactly the given length: the size if the
// ustar header cannot hold it, and a comment for the rest.
func padding(size, length int64) []byte {
	var records []byte
	if size >= maxOctalSize {
		records = record("size", strconv.FormatInt(size, 10))
	}
	rest := int(length) - len(records)
	prefix := strconv.Itoa(rest) + " comment="
	records = append(records, prefix...)
	for range rest - len(prefix) - 1 {
		records = append(records, filler)
	}
	return append(records, '\n')
}

// record encodes a pax record, whose length counts the digits of the length.
func record(key, value string) []byte {
	length := len(key) + len(value) + 3
	length += len(strconv.Itoa(length + len(strconv.Itoa(length))))
	return []byte(strconv.Itoa(length) + " " + key + "=" + value + "\n")
}

func lastElement(name string) string {
	for i := len(name) - 2; i >= 0; i-- {
		if name[i] == '/' {
			return name[i+1:]
		}
	}
	return name
}

// block encodes one ustar header. A size that does not fit is left to the pax
// record before it.
func block(name string, mode uint32, size int64, kind byte) []byte {
	b := make([]byte, BlockSize)
	if size >= maxOctalSize {
		size = 0
	}
	copy(b, name)
	copy(b[100:], fmt.Sprintf("%07o", mode&0o7777))
	copy(b[108:], "0000000")
	copy(b[116:], "0000000")
	copy(b[124:], fmt.Sprintf("%011o", size))
	copy(b[136:], fmt.Sprintf("%011o", modified))
	b[156] = kind
	copy(b[257:], "ustar\x0000")
	copy(b[329:], "0000000")
	copy(b[337:], "0000000")
	copy(b[148:], checksum(b))
	return b
}

// checksum returns the checksum field of a header: the sum of its bytes, with
// the field itself counted as spaces.
func checksum(b []byte) string {
	sum := 8 * int(' ')
	for i, value := range b {
		if i < 148 || i >= 156 {
			sum += int(value)
		}
	}
	return fmt.Sprintf("%06o\x00 ", sum)
}

// RoundUp returns the offset at which the header after contents that end at
// the given offset begins.
func RoundUp(end int64) int64 {
	return (end + BlockSize - 1) / BlockSize * BlockSize
}

// errNotTar is the reason why the first block of a file is no header.
var errNotTar = errors.New("not a tar header")

// ContentsOffset returns where the contents of an aligned entry lie whose
// headers begin at an offset.
func ContentsOffset(start int64) int64 {
	return start + 2*BlockSize + paddingSize(start)
}

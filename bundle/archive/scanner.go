package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"strings"
)

// Limits on what a Scanner believes.
const (
	// maxPax is the largest pax header, in bytes.
	maxPax = 1 << 16
	// maxTrailer is how many zeros may follow the last entry, in bytes; tars
	// fill up to the length of a tape's record.
	maxTrailer = 1 << 20
)

// Entry is an entry found in an archive.
type Entry struct {
	Header
	// Start is where the first of the entry's headers begins, in bytes.
	Start int64
	// Offset is where the contents begin.
	Offset int64
}

// End is where the contents end.
func (e Entry) End() int64 { return e.Offset + e.Size }

// TruncatedError tells that an archive ends too early.
type TruncatedError struct {
	// Name is the entry that is cut, or empty if the end of the archive is.
	Name string
	// Size is how long the file is, Need how long it would have to be at least.
	Size, Need int64
}

// Error names the entry and both lengths.
func (e *TruncatedError) Error() string {
	if e.Size < BlockSize {
		return fmt.Sprintf("the file has %d bytes, and a tar has more", e.Size)
	}
	what := "its end"
	if e.Name != "" {
		what = "entry " + e.Name
	}
	return fmt.Sprintf("the file is cut off in %s: it has %d bytes, and %d are needed", what, e.Size, e.Need)
}

// Scanner lists the entries of an archive from its start, by their headers:
// contents are skipped, so that it reads a few hundred bytes for each entry.
// It is not for use by several goroutines.
type Scanner struct {
	file     io.ReaderAt
	size     int64
	last     Entry
	position int64 // where the last entry's contents end
	started  bool
}

// NewScanner scans a file of the given size in bytes.
func NewScanner(file io.ReaderAt, size int64) *Scanner {
	return &Scanner{file: file, size: size}
}

// Next returns the next entry, or io.EOF after the last one if the archive ends
// as it must. Links, devices and other kinds of entries are errors, as are
// damaged headers and padding that is not empty; the error names the entry or,
// where that is lost, the byte. After an error the scanner is of no more use.
func (s *Scanner) Next() (Entry, error) {
	start, err := s.skipPadding()
	if err != nil {
		return Entry{}, err
	}
	head, err := s.read(start, BlockSize, "")
	if err != nil {
		return Entry{}, err
	}
	if isZero(head) {
		return Entry{}, s.checkTrailer(start)
	}
	entry := Entry{Start: start}
	var overrides pax
	if head[156] == typePax {
		overrides, start, err = s.readPax(head, start)
		if err != nil {
			return Entry{}, err
		}
		if head, err = s.read(start, BlockSize, overrides.path); err != nil {
			return Entry{}, err
		}
		if head[156] == typePax {
			return Entry{}, s.wrap(entry.Start, errors.New("two pax headers in a row"))
		}
	}
	entry.Offset = start + BlockSize
	if err := entry.decode(head, overrides); err != nil {
		return Entry{}, s.wrap(entry.Start, err)
	}
	if entry.Size > s.size-entry.Offset {
		return Entry{}, &TruncatedError{Name: entry.Name, Size: s.size, Need: saturatedAdd(entry.Offset, entry.Size)}
	}
	s.last, s.position, s.started = entry, entry.End(), true
	return entry, nil
}

func (s *Scanner) wrap(start int64, err error) error {
	after := ""
	if s.started {
		after = ", after entry " + s.last.Name
	}
	return fmt.Errorf("header at byte %d%s: %w", start, after, err)
}

// skipPadding checks that nothing is between the last contents and the next
// header.
func (s *Scanner) skipPadding() (int64, error) {
	next := RoundUp(s.position)
	between, err := s.read(s.position, next-s.position, s.last.Name)
	if err != nil {
		return 0, err
	}
	if !isZero(between) {
		return 0, fmt.Errorf("entry %s: padding behind it is not empty, at byte %d", s.last.Name, s.position)
	}
	return next, nil
}

// checkTrailer returns io.EOF if nothing but zeros follows, and enough of them.
func (s *Scanner) checkTrailer(start int64) error {
	length := s.size - start
	switch {
	case length < TrailerSize:
		return &TruncatedError{Size: s.size, Need: start + TrailerSize}
	case length%BlockSize != 0:
		return fmt.Errorf("the file ends within a block, at byte %d", s.size)
	case length > maxTrailer:
		return fmt.Errorf("%d bytes follow the last entry %s, at byte %d", length, s.last.Name, start)
	}
	trailer, err := s.read(start, length, "")
	if err != nil {
		return err
	}
	if !isZero(trailer) {
		return fmt.Errorf("something follows the end of the archive at byte %d", start)
	}
	return io.EOF
}

func (s *Scanner) read(offset, length int64, name string) ([]byte, error) {
	if length > s.size-offset {
		return nil, &TruncatedError{Name: name, Size: s.size, Need: saturatedAdd(offset, length)}
	}
	content := make([]byte, length)
	if _, err := s.file.ReadAt(content, offset); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read at byte %d: %w", offset, err)
	}
	return content, nil
}

// readPax reads a pax header and returns where the entry's own header begins.
func (s *Scanner) readPax(head []byte, start int64) (pax, int64, error) {
	var header Entry
	if err := header.decode(head, pax{}); err != nil {
		return pax{}, 0, s.wrap(start, err)
	}
	if header.Size > maxPax {
		return pax{}, 0, s.wrap(start, fmt.Errorf("%d bytes of pax records, at most %d", header.Size, maxPax))
	}
	body, err := s.read(start+BlockSize, RoundUp(header.Size), "")
	if err != nil {
		return pax{}, 0, err
	}
	if !isZero(body[header.Size:]) {
		return pax{}, 0, s.wrap(start, errors.New("padding behind pax records is not empty"))
	}
	overrides, err := parsePax(body[:header.Size])
	if err != nil {
		return pax{}, 0, s.wrap(start, err)
	}
	return overrides, start + BlockSize + int64(len(body)), nil
}

// decode fills an entry from its header.
func (e *Entry) decode(head []byte, overrides pax) error {
	magic := string(head[257:265])
	if magic != "ustar\x0000" && magic != "ustar  \x00" {
		return errNotTar
	}
	if string(head[148:156]) != checksum(head) {
		return errors.New("the checksum is wrong")
	}
	name := text(head[:nameSize])
	if prefix := text(head[345:500]); prefix != "" && magic == "ustar\x0000" {
		name = prefix + "/" + name
	}
	if overrides.path != "" {
		name = overrides.path
	}
	e.Directory = head[156] == typeDirectory
	e.Name = cleanName(name, e.Directory)
	if err := checkType(head[156]); err != nil {
		return fmt.Errorf("entry %q: %w", name, err)
	}
	mode, err := number(head[100:108])
	if err != nil || mode > 0o7777777 {
		return fmt.Errorf("entry %q: mode %q", name, text(head[100:108]))
	}
	e.Mode = uint32(mode) & 0o7777
	if e.Size, err = number(head[124:136]); err != nil {
		return fmt.Errorf("entry %q: size: %w", name, err)
	}
	if overrides.hasSize {
		e.Size = overrides.size
	}
	if e.Directory && e.Size != 0 {
		return fmt.Errorf("entry %q: a directory with contents", name)
	}
	return nil
}

// checkType refuses what a bundle never has.
func checkType(kind byte) error {
	switch kind {
	case typeFile, typeOldFile, typeDirectory, typePax:
		return nil
	case '1', '2':
		return errors.New("is a link")
	default:
		return fmt.Errorf("is of type %q, which bundles do not have", kind)
	}
}

// cleanName drops what tars put around a name that means the same; anything
// else stays as it is, for the reader to refuse.
func cleanName(name string, directory bool) string {
	if directory {
		name = strings.TrimSuffix(name, "/")
	}
	if rest, ok := strings.CutPrefix(name, "./"); ok && rest == path.Clean(rest) {
		return rest
	}
	return name
}

func text(field []byte) string {
	if i := bytes.IndexByte(field, 0); i >= 0 {
		field = field[:i]
	}
	return string(field)
}

// number parses a number in octal digits or, as GNU tar writes large ones, in
// binary.
func number(field []byte) (int64, error) {
	if field[0] == 0x80 {
		var value uint64
		for _, b := range field[1:] {
			if value>>56 != 0 {
				return 0, errors.New("number out of range")
			}
			value = value<<8 | uint64(b)
		}
		if value > math.MaxInt64 {
			return 0, errors.New("number out of range")
		}
		return int64(value), nil
	}
	digits := strings.Trim(text(field), " ")
	if digits == "" {
		return 0, nil
	}
	var value int64
	for _, digit := range []byte(digits) {
		if digit < '0' || digit > '7' {
			return 0, fmt.Errorf("number %q", digits)
		}
		value = value<<3 | int64(digit-'0')
	}
	return value, nil
}

func isZero(content []byte) bool {
	for _, b := range content {
		if b != 0 {
			return false
		}
	}
	return true
}

func saturatedAdd(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

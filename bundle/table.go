package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/archive"
)

// table is blobs.txt: two lines that say what it is and which index.json it
// belongs to, and a line with digest and size for every blob, in the order in
// which they lie in the tar.
type table struct {
	index v1.Hash
	rows  []tableRow
}

// tableRow is a blob.
type tableRow struct {
	hex  string
	size int64
}

func (r tableRow) hash() v1.Hash { return v1.Hash{Algorithm: "sha256", Hex: r.hex} }

const (
	tableTitle = "gravity bundle " + Format
	tableIndex = "index "
)

func (t table) encode() []byte {
	var b bytes.Buffer
	b.WriteString(tableTitle + "\n" + tableIndex + t.index.Hex + "\n")
	for _, row := range t.rows {
		fmt.Fprintf(&b, "%s %d\n", row.hex, row.size)
	}
	return b.Bytes()
}

// parseTable reads blobs.txt; blobs listed twice are an error.
func parseTable(content []byte) (table, error) {
	lines := strings.Split(string(content), "\n")
	if len(lines) < 3 || lines[0] != tableTitle || lines[len(lines)-1] != "" {
		return table{}, errors.New(NameBlobs + ": not the list of blobs of a bundle of format " + Format)
	}
	hex, ok := strings.CutPrefix(lines[1], tableIndex)
	index, err := parseHash("sha256:" + hex)
	if !ok || err != nil {
		return table{}, fmt.Errorf("%s: line 2: digest %.80q", NameBlobs, lines[1])
	}
	rows := lines[2 : len(lines)-1]
	if len(rows) > MaxBlobs {
		return table{}, fmt.Errorf("%s: more than %d blobs", NameBlobs, MaxBlobs)
	}
	parsed := table{index: index, rows: make([]tableRow, 0, len(rows))}
	seen := make(map[string]bool, len(rows))
	for i, line := range rows {
		hex, digits, _ := strings.Cut(line, " ")
		hash, err := parseHash("sha256:" + hex)
		size, sizeErr := strconv.ParseInt(digits, 10, 64)
		if err != nil || sizeErr != nil || size < 0 || seen[hash.Hex] {
			return table{}, fmt.Errorf("%s: line %d: %.120q is not another digest with its size", NameBlobs, i+3, line)
		}
		seen[hash.Hex] = true
		parsed.rows = append(parsed.rows, tableRow{hex: hash.Hex, size: size})
	}
	return parsed, nil
}

// place says where the entries of blobs lie if the headers of the first begin
// at an offset, and where the last one's padding ends. Sizes that no file has
// are an error.
func place(rows []tableRow, start int64) (entries []archive.Entry, end int64, err error) {
	const maxFile = 1 << 60
	entries = make([]archive.Entry, 0, len(rows))
	for _, row := range rows {
		header := blobHeader(row.hex, row.size)
		entry := archive.Entry{Header: header, Start: start, Offset: archive.ContentsOffset(start)}
		if row.size > maxFile || entry.Offset > maxFile {
			return nil, 0, fmt.Errorf("%s: blob %s: %d bytes", NameBlobs, row.hex, row.size)
		}
		entries = append(entries, entry)
		start = archive.RoundUp(entry.End())
	}
	return entries, start, nil
}

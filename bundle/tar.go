package bundle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/archive"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// maxEntries is how many entries a tar may have.
const maxEntries = MaxBlobs + 64

// tarFile is a bundle's tar.
type tarFile struct {
	reader io.ReaderAt
	size   int64
	closer io.Closer
	// entries are those that were found by their headers, by name.
	entries map[string]archive.Entry
	// computed are the blobs after the first in a tar that Write made: their
	// places follow from blobs.txt, and their headers are checked when they are
	// opened. Other tars are scanned as a whole, and this is empty.
	computed map[string]archive.Entry
}

// openTar finds the entries. Closing the store closes closer, if there is one.
func openTar(reader io.ReaderAt, size int64, closer io.Closer) (*tarFile, error) {
	if err := refuseCompressed(reader); err != nil {
		return nil, err
	}
	t := &tarFile{reader: reader, size: size, closer: closer, entries: make(map[string]archive.Entry)}
	scanner := archive.NewScanner(reader, size)
	first, err := t.scan(scanner, true)
	if err != nil {
		return nil, explainTar(err)
	}
	computed, err := t.compute(first)
	if err != nil {
		return nil, explainTar(err)
	}
	if computed {
		return t, nil
	}
	if _, err := t.scan(scanner, false); err != nil {
		return nil, explainTar(err)
	}
	return t, nil
}

// refuseCompressed recognises what users do to large files.
func refuseCompressed(reader io.ReaderAt) error {
	head := make([]byte, 6)
	n, err := reader.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	for _, format := range []struct{ magic, name, hint string }{
		{"\x1f\x8b", "gzip", "gunzip"},
		{"\xfd7zXZ\x00", "xz", "unxz"},
		{"\x28\xb5\x2f\xfd", "zstd", "unzstd"},
		{"BZh", "bzip2", "bunzip2"},
		{"PK\x03\x04", "zip", "unzip"},
	} {
		if bytes.HasPrefix(head[:n], []byte(format.magic)) {
			return cli.WithHint(fmt.Errorf("the file is compressed with %s, and a bundle is not", format.name),
				"undo that with '%s'; the contents of a bundle are compressed already", format.hint)
		}
	}
	return nil
}

// explainTar adds what to do about a file that is no good.
func explainTar(err error) error {
	if truncated := (*archive.TruncatedError)(nil); errors.As(err, &truncated) && truncated.Size >= archive.BlockSize {
		return cli.WithHint(err, "copy or download the bundle again")
	}
	return err
}

// scan reads headers to the end or, if asked to, to the first blob, which it
// returns.
func (t *tarFile) scan(scanner *archive.Scanner, toFirstBlob bool) (archive.Entry, error) {
	for {
		entry, err := scanner.Next()
		if errors.Is(err, io.EOF) {
			return archive.Entry{}, nil
		}
		if err != nil {
			return archive.Entry{}, err
		}
		if err := t.add(entry); err != nil {
			return archive.Entry{}, err
		}
		if toFirstBlob && isBlobName(entry.Name) {
			return entry, nil
		}
	}
}

// add refuses entries that no bundle has.
func (t *tarFile) add(entry archive.Entry) error {
	if len(t.entries) == maxEntries {
		return fmt.Errorf("more than %d entries", maxEntries)
	}
	if _, ok := t.entries[entry.Name]; ok {
		return fmt.Errorf("entry %s: is there twice", entry.Name)
	}
	if entry.Directory {
		t.entries[entry.Name] = entry
		return checkFolder(entry)
	}
	mode, known := modes[entry.Name]
	if isBlobName(entry.Name) {
		mode, known = 0o644, true
	}
	if !known {
		return unknownEntry(entry.Name)
	}
	// Bits beyond a mode are somebody's intent; bits that lack may be a umask.
	if entry.Mode&^mode != 0 || entry.Mode&0o700 != mode&0o700 {
		return fmt.Errorf("entry %s: its mode is %04o instead of %04o", entry.Name, entry.Mode, mode)
	}
	t.entries[entry.Name] = entry
	return nil
}

// checkFolder allows the folders of a bundle and the one they are in, whose
// mode is its owner's business.
func checkFolder(entry archive.Entry) error {
	switch {
	case entry.Name == ".":
		return nil
	case !slices.Contains(folders, entry.Name):
		return unknownEntry(entry.Name)
	case entry.Mode&0o022 != 0:
		return fmt.Errorf("entry %s: its mode is %04o instead of 0755", entry.Name, entry.Mode)
	}
	return nil
}

func unknownEntry(name string) error {
	err := fmt.Errorf("entry %.200q: bundles have no such entry", name)
	folder, rest, _ := strings.Cut(name, "/")
	_, known := modes[rest]
	if known || rest == "" && modes[folder] == 0 {
		return cli.WithHint(err, "to pack an extracted bundle again, run tar within its folder: 'tar -C %s -cf ../bundle.tar .'", folder)
	}
	return err
}

// isBlobName tells whether an entry is a blob, by its name.
func isBlobName(name string) bool {
	hex, ok := strings.CutPrefix(name, blobFolder+"/")
	if !ok {
		return false
	}
	_, err := parseHash("sha256:" + hex)
	return err == nil
}

// compute finds out whether Write made the tar as it is, which leaves no place
// for anything that is not expected, and if so, computes where its blobs lie.
// The error is a *archive.TruncatedError.
func (t *tarFile) compute(first archive.Entry) (bool, error) {
	if _, ok := t.entries[NameIndex]; !ok || first.Name == "" {
		return false, nil
	}
	content, err := readSmall(t, NameBlobs, maxTable)
	if err != nil {
		return false, nil //nolint:nilerr // another tar's order, or for the scan to find
	}
	table, err := parseTable(content)
	if err != nil || len(table.rows) == 0 {
		return false, nil //nolint:nilerr // is an error again when the bundle is loaded
	}
	placed, end, err := place(table.rows, first.Start)
	if err != nil || placed[0].Name != first.Name || !t.hasHeaders(placed[0]) {
		return false, nil //nolint:nilerr // likewise
	}
	if size := end + archive.TrailerSize; t.size < size && t.firstHeaders(placed) {
		return false, &archive.TruncatedError{Name: nameAt(placed, t.size), Size: t.size, Need: size}
	} else if t.size != size || !t.hasHeaders(placed[len(placed)-1]) {
		return false, nil
	}
	delete(t.entries, first.Name)
	t.computed = make(map[string]archive.Entry, len(placed))
	for _, entry := range placed {
		t.computed[entry.Name] = entry
	}
	return true, nil
}

// firstHeaders tells whether a file that is shorter than it should be has the
// second blob where it should be, or is cut before: then it is cut, and not
// another tar's.
func (t *tarFile) firstHeaders(placed []archive.Entry) bool {
	return len(placed) < 2 || t.size < placed[1].Offset || t.hasHeaders(placed[1])
}

// nameAt returns the entry that a file of the given size is cut in, or nothing
// if only the end is missing.
func nameAt(placed []archive.Entry, size int64) string {
	for _, entry := range placed {
		if size < entry.End() {
			return entry.Name
		}
	}
	return ""
}

// hasHeaders compares an entry's headers, bit by bit, with what Write writes.
func (t *tarFile) hasHeaders(entry archive.Entry) bool {
	want, err := archive.Encode(entry.Header, entry.Start)
	if err != nil {
		return false
	}
	found := make([]byte, len(want))
	_, err = t.reader.ReadAt(found, entry.Start)
	return err == nil && bytes.Equal(want, found)
}

func (t *tarFile) stat(name string) (Entry, bool) {
	entry, ok := t.entries[name]
	ok = ok && !entry.Directory
	return Entry{Name: name, Mode: entry.Mode, Size: entry.Size}, ok
}

func (t *tarFile) open(name string) (*Blob, error) {
	if entry, ok := t.computed[name]; ok {
		if !t.hasHeaders(entry) {
			return nil, fmt.Errorf("entry %s: its header at byte %d is damaged", name, entry.Start)
		}
		return newBlob(t.reader, entry.Offset, entry.Size, false), nil
	}
	entry, ok := t.entries[name]
	if !ok || entry.Directory {
		return nil, fmt.Errorf("entry %s: %w", name, fs.ErrNotExist)
	}
	return newBlob(t.reader, entry.Offset, entry.Size, false), nil
}

// checkAll checks what opening left out: the headers of blobs whose places were
// computed, and the padding behind them.
func (t *tarFile) checkAll(ctx context.Context, report func(name string, err error)) error {
	end := int64(0)
	for name, entry := range t.computed {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !t.hasHeaders(entry) {
			report(name, fmt.Errorf("its header at byte %d is damaged", entry.Start))
		}
		next := archive.RoundUp(entry.End())
		t.checkZero(name, entry.End(), next, report)
		end = max(end, next)
	}
	if end > 0 {
		t.checkZero("", end, t.size, report)
	}
	return nil
}

func (t *tarFile) checkZero(name string, from, to int64, report func(name string, err error)) {
	found := make([]byte, to-from)
	if _, err := t.reader.ReadAt(found, from); err != nil && !errors.Is(err, io.EOF) {
		report(name, err)
		return
	}
	for i, b := range found {
		if b != 0 {
			report(name, fmt.Errorf("padding behind it is not empty, at byte %d", from+int64(i)))
			return
		}
	}
}

func (t *tarFile) blobs() (map[string]int64, error) {
	found := make(map[string]int64)
	for _, entries := range []map[string]archive.Entry{t.entries, t.computed} {
		for name, entry := range entries {
			if hex, ok := strings.CutPrefix(name, blobFolder+"/"); ok {
				found[hex] = entry.Size
			}
		}
	}
	return found, nil
}

func (t *tarFile) close() error {
	if t.closer == nil {
		return nil
	}
	return t.closer.Close()
}

package disk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
)

// maxChangelog is how large a changelog may be: more than 100 000 entries.
const maxChangelog = 64 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksumLength is that of a line's beginning: eight digits and a space.
const checksumLength = 9

// encodeEntry makes the line of an entry.
func encodeEntry(entry operation.Entry) ([]byte, error) {
	data, err := json.Marshal(entry)
	if err != nil {
		return nil, fmt.Errorf("encode entry: %w", err)
	}
	return fmt.Appendf(nil, "%08x %s\n", crc32.Checksum(data, castagnoli), data), nil
}

// decodeEntry reads a line without its end.
func decodeEntry(line []byte) (entry operation.Entry, ok bool) {
	if len(line) < checksumLength {
		return entry, false
	}
	data := line[checksumLength:]
	if string(line[:checksumLength]) != fmt.Sprintf("%08x ", crc32.Checksum(data, castagnoli)) {
		return entry, false
	}
	if err := json.Unmarshal(data, &entry); err != nil {
		return entry, false
	}
	return entry, entry.ID != "" && entry.NewState.Valid()
}

// errCorrupt is about a line that cannot be read, although a later one can.
var errCorrupt = errors.New("damaged")

// decodeChangelog reads a changelog, and how many bytes of it are good: what
// follows them, nobody was told that it was stored. A bad line that has a good
// one after it was good once.
func decodeChangelog(data []byte) (entries []operation.Entry, good int, err error) {
	bad := 0
	for number, rest := 1, data; len(rest) > 0; number++ {
		line, after, ended := bytes.Cut(rest, []byte("\n"))
		entry, ok := decodeEntry(line)
		switch {
		case !ok || !ended:
			if bad == 0 {
				bad = number
			}
		case bad > 0:
			return nil, 0, fmt.Errorf("line %d: %w", bad, errCorrupt)
		default:
			entries = append(entries, entry)
			good = len(data) - len(after)
		}
		rest = after
	}
	return entries, good, nil
}

func readChangelog(path string) (entries []operation.Entry, good int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxChangelog+1))
	if err != nil {
		return nil, 0, err
	}
	if len(data) > maxChangelog {
		return nil, 0, fmt.Errorf("%s: more than %d bytes", path, maxChangelog)
	}
	entries, good, err = decodeChangelog(data)
	if err != nil {
		return nil, 0, fmt.Errorf("read %s: %w", path, err)
	}
	return entries, good, nil
}
